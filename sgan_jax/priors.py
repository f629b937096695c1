"""How frequent classes are before a pattern is looked at, and what that does to an answer.

A classifier has learnt the frequencies of its training data along with the patterns. Its
probabilities times the wanted over the learnt frequencies are those of a classifier that expects
the wanted ones (M. Saerens, P. Latinne, C. Decaestecker, Neural Comput. 14 (2002) 21).

The frequencies `mp_icsd` are of the crystals in the Materials Project that carry an ICSD number
(CC BY 4.0; A. Jain et al., APL Mater. 1 (2013) 011002), counted by
`python -m sgan_jax.priors mp_icsd.tar.gz --out=sgan_jax/tables/mp_icsd.csv`.
"""

import argparse
import csv
import io
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, Int64

from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from sgan_jax.classifier import OutputClass

PRIORS = ("training", "flat", "mp_icsd")
"""`training` leaves the probabilities as they are; with `flat` all classes are equally frequent."""


def check(name: str) -> None:
    """Checks that there is such a prior.

    Raises:
        InputError: There is not.
    """
    if name not in PRIORS:
        raise InputError(f"no prior {name!r}; choose {', '.join(PRIORS[:-1])} or {PRIORS[-1]}")


def with_prior(
    probabilities: Float[np.ndarray, "n classes"], classes: Sequence[OutputClass], name: str
) -> Float64[np.ndarray, "n classes"]:
    """Probabilities as they would be if classes were as frequent as a prior says.

    Args:
        probabilities: Of a classifier.
        classes: Its classes. One that it never saw keeps the probability 0 under a changed prior:
            there is nothing to go by. Where only such classes are possible, all stays as it is.
        name: Of `PRIORS`.
    """
    probabilities = probabilities.astype(np.float64)
    if name == "training":
        return probabilities
    seen = np.array([entry.n_labelled for entry in classes], np.float64)
    ratio = np.divide(_frequencies(classes, name), seen, out=np.zeros_like(seen), where=seen > 0)
    weighted = probabilities * ratio
    total = weighted.sum(axis=1, keepdims=True)
    return np.divide(weighted, total, out=probabilities, where=total > 0)


def _frequencies(classes: Sequence[OutputClass], name: str) -> Float64[np.ndarray, " classes"]:
    """How frequent classes are; with one more crystal in each, so that none is impossible."""
    if name == "flat":
        return np.ones(len(classes))
    counts = _counts(name)
    return np.array([counts[list(entry.space_groups)].sum() + 1.0 for entry in classes])


def _counts(name: str) -> Int64[np.ndarray, "231"]:
    """Crystals by the number of their space group; entry 0 is unused."""
    table = resources.files("sgan_jax").joinpath("tables", f"{name}.csv").read_text()
    counts = np.zeros(231, np.int64)
    for row in csv.DictReader(table.splitlines()):
        counts[int(row["space_group"])] = int(row["crystals"])
    return counts


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    parser = Parser(
        prog="python -m sgan_jax.priors", description="Counts the space groups of structures."
    )
    parser.add_argument("sources", help="structures, as in --sources of python -m data_gen")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    return exit_status(_count, parser.parse_args(arguments))


def _count(options: argparse.Namespace) -> None:
    from data_gen.crystal import Crystal  # only here: predictions need none of it
    from data_gen.pattern_files import save
    from data_gen.sources import open_sources

    counts: Counter[int] = Counter()
    for source in open_sources(options.sources):
        for record in source.records():
            found = [crystal for _, crystal in record.parse(record.payload)]
            counts.update(crystal.space_group for crystal in found if isinstance(crystal, Crystal))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("space_group", "crystals"))
    writer.writerows((number, counts[number]) for number in range(1, 231))
    save(options.out, text.getvalue().encode())
    print(f"{counts.total():,} crystals of {len(counts)} space groups: {options.out}")


if __name__ == "__main__":
    sys.exit(main())
