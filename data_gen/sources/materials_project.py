"""Crystals of the Materials Project that were made and measured: those with an ICSD number.

The command downloads them into a table that `--sources` understands, and goes on where it was if
it is started again::

    MP_API_KEY=... python -m data_gen.sources.materials_project --out=mp_icsd.jsonl

The structures are DFT-relaxed; their symmetry is found from the coordinates within 0.1 Å.
Reference: A. Jain et al., APL Mater. 1 (2013) 011002; data under CC BY 4.0.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from data_gen.command_line import Parser
from data_gen.crystal import Crystal
from data_gen.errors import InputError, StructureError
from data_gen.sources.base import Parsed, Record, Source
from data_gen.write_cif import cif_text

if TYPE_CHECKING:
    from mp_api.client import MPRester

KEY_VARIABLE = "MP_API_KEY"
_STRUCTURES_PER_REQUEST = 500


class MaterialsProjectSource(Source):
    """Entries with an ICSD number, straight from the Materials Project.

    Attributes:
        name: Short name for reports.

    Args:
        api_key: From https://next-gen.materialsproject.org/api; default: `MP_API_KEY`.
        endpoint: Address of the service, where it is not the public one.

    Raises:
        InputError: There is no key, mp-api is not installed, or the service cannot be reached.
    """

    name = "materials_project"

    def __init__(self, api_key: str | None = None, endpoint: str | None = None) -> None:
        self._client = _client(api_key or os.environ.get(KEY_VARIABLE), endpoint)

    def fingerprint(self) -> str:
        """Returns a hash of the database's version and the entries chosen."""
        content = (self._client.db_version, self.ids)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def count(self) -> int:
        """Returns the number of entries."""
        return len(self.ids)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Material ids of the entries that carry an ICSD number, in alphabetical order."""
        with _service_errors():
            entries = self._client.materials.summary.search(
                fields=["material_id", "database_IDs"], deprecated=False, include_gnome=False
            )
        made = (e for e in entries if (e.get("database_IDs") or {}).get("icsd"))
        return tuple(sorted(str(entry["material_id"]) for entry in made))

    def records(self) -> Iterator[Record]:
        """Yields the entries in the order of `ids`."""
        yield from self.records_of(self.ids)

    def records_of(self, ids: Sequence[str]) -> Iterator[Record]:
        """Yields the entries with the given material ids."""
        for start in range(0, len(ids), _STRUCTURES_PER_REQUEST):
            wanted = list(ids[start : start + _STRUCTURES_PER_REQUEST])
            with _service_errors():
                entries = self._client.materials.summary.search(
                    material_ids=wanted, fields=["material_id", "structure"]
                )
            for entry in sorted(entries, key=lambda e: str(e["material_id"])):
                name = str(entry["material_id"])
                yield Record(name, self.name, (name, entry["structure"]), _parse)


def _parse(payload: tuple[str, Any]) -> Iterator[Parsed]:
    from pymatgen.core import Structure

    name, structure = payload
    try:
        yield name, Crystal.from_pymatgen(Structure.from_dict(structure))
    except StructureError as error:
        yield name, error


def _client(api_key: str | None, endpoint: str | None) -> "MPRester":
    if not api_key:
        raise InputError(
            f"the Materials Project needs an API key: set {KEY_VARIABLE} or give --api_key "
            "(free at https://next-gen.materialsproject.org/api)"
        )
    try:
        from mp_api.client import MPRester
    except ImportError:
        raise InputError(
            "the Materials Project needs the package mp-api: pip install 'sgan_jax[mp]'"
        ) from None
    with _service_errors():
        return MPRester(
            api_key, endpoint=endpoint, use_document_model=False, mute_progress_bars=True
        )


@contextmanager
def _service_errors() -> Iterator[None]:
    """Turns what the client raises into one line for the user."""
    from mp_api.client.core.exceptions import MPRestError
    from requests import RequestException

    try:
        yield
    except (MPRestError, RequestException, ValueError, KeyError) as error:
        detail = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"the Materials Project did not answer as expected: {detail}; "
            "check the API key and the network, then start again"
        ) from None


# ---------------------------------------------------------------- download


def download(source: MaterialsProjectSource, out: Path, progress: bool = True) -> dict[str, int]:
    """Writes every entry as one JSON line with `material_id` and `cif`.

    Lines are collected in ``OUT.part``, which becomes OUT when all are there; lines that an
    interrupted download left are kept.

    Args:
        source: Where the entries come from.
        out: The table to write.
        progress: Whether to show a progress bar.

    Returns:
        Counts of ``written`` lines and of those left out, by reason.

    Raises:
        InputError: The service fails, or the file cannot be written.
    """
    part = out.with_name(out.name + ".part")
    counts = {"written": 0}
    try:
        done = _lines_kept(part)
        counts["written"] = len(done)
        missing = [name for name in source.ids if name not in done]
        with part.open("a", encoding="utf-8") as file:
            records = source.records_of(missing)
            for record in tqdm(records, total=len(missing), disable=not progress, unit="crystal"):
                for name, crystal in record.parse(record.payload):
                    if isinstance(crystal, StructureError):
                        counts[crystal.reason] = counts.get(crystal.reason, 0) + 1
                        continue
                    row = {"material_id": name, "cif": cif_text(name, crystal)}
                    file.write(json.dumps(row) + "\n")
                    counts["written"] += 1
        os.replace(part, out)
    except OSError as error:
        raise InputError(f"cannot write {str(out)!r}: {error.strerror}") from None
    return counts


def _lines_kept(part: Path) -> set[str]:
    """Returns the ids in an unfinished table, after cutting off a line that broke off."""
    if not part.exists():
        return set()
    content = part.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(part, len(whole))
    return {json.loads(line)["material_id"] for line in whole.splitlines()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status, 2 for bad input."""
    parser = Parser(
        prog="python -m data_gen.sources.materials_project",
        description="Downloads the Materials Project's entries with an ICSD number as a table.",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.jsonl")
    parser.add_argument("--api_key", help=f"default: the environment variable {KEY_VARIABLE}")
    arguments = parser.parse_args(argv)
    try:
        if arguments.out.suffix != ".jsonl":
            raise InputError(f"--out={arguments.out}: the name must end in .jsonl")
        counts = download(MaterialsProjectSource(arguments.api_key), arguments.out)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
