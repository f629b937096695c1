"""Crystals that no archive here has: `python -m benchmarks.unseen --against=amcsd,… --out=FILE`.

Writes the prototypes of crystal structures that come with pymatgen (AFLOW), and those of further
sources, as an archive of CIFs for `python -m sgan_jax.evaluate`. Left out is each whose composition
the archives have, whatever its space group: another one may be the same structure, relaxed or
described in a lower symmetry. Of each composition and space group one crystal is kept.
"""

import argparse
import gzip
import io
import json
import sys
import tarfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from importlib import resources
from itertools import chain
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float32
from pymatgen.core import Structure

from data_gen.builder import build
from data_gen.command_line import Parser
from data_gen.crystal import Crystal
from data_gen.errors import InputError, StructureError
from data_gen.pattern_files import save
from data_gen.sources import Parsed, PymatgenSource, Record, open_sources
from data_gen.spec import DatasetSpec
from data_gen.write_cif import cif_text
from sgan_jax import bulk, command_line
from sgan_jax.compositions import atom_shares
from sgan_jax.dataset_index import open_dataset

_PROTOTYPES = ("pymatgen.analysis.prototypes", "aflow_prototypes.json.gz")

_ELEMENTS = 118
_SAME = 0.01
"""How far the shares of atoms may be apart in one compound: few are quite stoichiometric."""


def prototypes() -> list[Structure]:
    """The AFLOW prototypes (M. J. Mehl et al., Comput. Mater. Sci. 136 (2017) S1).

    Raises:
        InputError: This version of pymatgen has none.
    """
    package, name = _PROTOTYPES
    try:
        packed = resources.files(package).joinpath(name).read_bytes()
    except (ImportError, OSError) as error:
        raise InputError(f"{package} has no {name} ({error}); install pymatgen 2025.10") from error
    entries = json.loads(gzip.decompress(packed))
    return [Structure.from_dict(entry["snl"]) for entry in entries]


def compositions(formulas: Collection[str]) -> Float32[np.ndarray, "n elements"]:
    """Shares of the atoms of some crystals, at the places of their atomic numbers."""
    found = np.zeros((len(formulas), _ELEMENTS + 1), np.float32)
    for shares, formula in zip(found, formulas, strict=True):
        for element, share in atom_shares(formula).items():
            shares[gemmi.Element(element).atomic_number] = share
    return found


def is_among(
    composition: Float32[np.ndarray, "elements"], others: Float32[np.ndarray, "n elements"]
) -> bool:
    """Whether one of the others is the same, up to what a compound may vary by."""
    return bool((np.abs(others - composition) <= _SAME).all(axis=1).any())


def known(sources: str, data_dir: Path) -> Float32[np.ndarray, "n elements"]:
    """Compositions in a data set of some sources, built if need be.

    Args:
        sources: See `data_gen.sources.open_sources`.
        data_dir: Where data sets are.
    """
    index = open_dataset(build(DatasetSpec(sources), data_dir)).index
    return compositions(set(map(str, index.formulas)))


def unseen(
    records: Iterator[Record], there: Float32[np.ndarray, "n elements"]
) -> tuple[dict[str, Crystal], Counter[str]]:
    """The crystals of which there is none yet, by name; and why the others are left out.

    Args:
        records: Of sources.
        there: Compositions of what there is.

    Returns:
        By the names of source and crystal, with `/` between them; and counts by reason.

    Raises:
        InputError: Two crystals have one name.
    """
    found: dict[str, Crystal] = {}
    left_out: Counter[str] = Counter()
    for name, crystal in chain.from_iterable(map(_named, records)):
        if isinstance(crystal, StructureError):
            left_out[crystal.reason.value] += 1
            continue
        (composition,) = compositions([crystal.formula])
        alike = [each for each in found.values() if each.space_group == crystal.space_group]
        if is_among(composition, there):
            left_out["there already"] += 1
        elif is_among(composition, compositions([each.formula for each in alike])):
            left_out["found before"] += 1
        elif name in found:
            raise InputError(f"two crystals are called {name}: rename a source or a file")
        else:
            found[name] = crystal
    return found, left_out


def _named(record: Record) -> Iterator[Parsed]:
    """The crystals of a record, named after their source too, without further folders."""
    for name, crystal in record.parse(record.payload):
        yield f"{record.source.replace('/', '_')}/{name.replace('/', '_')}", crystal


def archive(crystals: dict[str, Crystal]) -> bytes:
    """A tar archive of CIFs, the same for the same crystals."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file,
        tarfile.open(fileobj=file, mode="w") as tar,
    ):
        for name, crystal in crystals.items():
            content = cif_text(name, crystal).encode()
            member = tarfile.TarInfo(f"{name}.cif")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 if interrupted, or 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.unseen", description=__doc__)
    add = parser.add_argument
    add("--against", required=True, metavar="SOURCES", help="crystals that are left out")
    add("--sources", metavar="SOURCES", help="further crystals to choose from")
    add("--data_dir", type=Path, default=Path("data"), metavar="DIR", help="of the data sets")
    add("--out", type=Path, default=Path("unseen.tar.gz"), metavar="FILE")
    return command_line.exit_status(_run, parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> None:
    bulk.check_file(options.out, "--out")
    further = open_sources(options.sources) if options.sources else ()
    sources = (PymatgenSource(prototypes(), "aflow"), *further)
    there = known(options.against, options.data_dir)
    found, left_out = unseen(chain.from_iterable(source.records() for source in sources), there)
    save(options.out, archive(found))
    print(f"{options.out}: {len(found):,} crystals; left out: {dict(left_out.most_common())}")


if __name__ == "__main__":
    sys.exit(main())
