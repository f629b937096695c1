"""What became of the structures of a build: counts, rejected.csv, summary.json and a table."""

import csv
import resource
import sys
from collections import Counter
from dataclasses import astuple
from pathlib import Path
from typing import Any, TextIO

from data_gen.errors import InputError, Reason
from data_gen.generate import Rejection
from data_gen.shards import Journal
from data_gen.symmetry import BRAVAIS_LATTICES, CRYSTAL_SYSTEMS, bravais_lattice, crystal_system

SUMMARY_FILE = "summary.json"
REJECTED_FILE = "rejected.csv"


_REMEDIES = {
    Reason.UNREADABLE: "mend the file, or get it anew",
    Reason.TOO_LARGE: "split it, or leave it out",
    Reason.UNSAFE_MEMBER: "pack the file itself, under a plain name",
    Reason.NO_CELL: "complete the cell",
    Reason.NO_ATOMS: "complete the atoms",
    Reason.IMPOSSIBLE_SYMMETRY: "correct the space group, the operations or the cell",
    Reason.OTHER_SYMMETRY: "correct the space group, or do not ask for --check_symmetry",
    Reason.UNKNOWN_VALUE: "complete or correct the atoms",
    Reason.IMPOSSIBLE_OCCUPANCY: "correct the occupancies",
    Reason.UNKNOWN_ELEMENT: "give type symbols such as Na or Na1+",
    Reason.MISSING_HYDROGEN: "complete the hydrogen atoms",
    Reason.NO_SCATTERING_LENGTH: "try the other --scattering_lengths, or leave it out",
    Reason.NO_DISPLACEMENT: "complete the displacement parameters",
    Reason.NO_REFLECTIONS: "choose an --instrument of shorter wavelength, or leave it out",
    Reason.DUPLICATE_ID: "rename it if it is another structure",
    Reason.UNEXPECTED: "leave it out, and report it as a fault of this program",
}


class Tally:
    """Counts what is in the shards of a data set and lists what is not.

    Args:
        rejected: Open text file that receives one line per rejected structure.
    """

    def __init__(self, rejected: TextIO) -> None:
        self._space_groups: Counter[int] = Counter()
        self._reasons: Counter[Reason] = Counter()
        self._first: dict[Reason, Rejection] = {}
        self._table = csv.writer(rejected)
        self._table.writerow(("id", "source", "reason", "detail", "remedy"))

    def add(self, journal: Journal) -> None:
        """Counts one shard."""
        self._space_groups.update(space_group for _, space_group in journal.examples)
        for rejection in journal.rejections:
            self._reasons[rejection.reason] += 1
            self._first.setdefault(rejection.reason, rejection)
            self._table.writerow((*astuple(rejection), _REMEDIES[rejection.reason]))

    def require_any(self) -> None:
        """Raises InputError, naming the commonest reason, if no structure was accepted."""
        if self._space_groups:
            return
        if not self._reasons:
            raise InputError("the sources hold no structures")
        reason, count = self._reasons.most_common(1)[0]
        first = f"{self._first[reason].id}: {self._first[reason].detail}".removesuffix(": ")
        raise InputError(
            f"all {self._reasons.total()} structures were rejected, {count} of them for: {reason} "
            f"(the first is {first:.200}); give structures that are complete"
        )

    def summary(self, seconds: float) -> dict[str, Any]:
        """The counts under the names of summary.json.

        Args:
            seconds: How long it took to make the data set.
        """
        written, rejected = self._space_groups.total(), self._reasons.total()
        return {
            "written": written,
            "rejected": rejected,
            "rejected_by_reason": {str(r): n for r, n in self._reasons.most_common()},
            "class_counts": _class_counts(self._space_groups),
            "seconds": round(seconds, 2),
            "structures_per_s": round((written + rejected) / max(seconds, 1e-3), 1),
            "peak_memory_mib": _peak_memory(),
        }


def _class_counts(space_groups: Counter[int]) -> dict[str, dict[str, int]]:
    lattices: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    for number, count in space_groups.items():
        lattices[bravais_lattice(number)] += count
        systems[crystal_system(number)] += count
    return {
        "bravais_lattice": {name: lattices[name] for name in BRAVAIS_LATTICES},
        "crystal_system": {name: systems[name] for name in CRYSTAL_SYSTEMS},
        "space_group": {str(number): space_groups[number] for number in sorted(space_groups)},
    }


def _peak_memory() -> dict[str, int]:
    """Largest resident sets so far, MiB: of this process, and of the largest ended worker."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
    usage = {"parent": resource.RUSAGE_SELF, "largest_worker": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(who).ru_maxrss // unit for name, who in usage.items()}


def closing_table(summary: dict[str, Any], folder: Path) -> str:
    """The closing lines of a build: how many structures went where, how fast, and which files."""
    rows = [("written", summary["written"]), ("rejected", summary["rejected"])]
    rows += [(f"  {reason}", n) for reason, n in summary["rejected_by_reason"].items()]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {count:>9,}" for name, count in rows]
    lines += [
        f"{summary['seconds']:.1f} s, {summary['structures_per_s']:,.0f} structures/s",
        f"data set  {folder}",
        f"summary   {folder / SUMMARY_FILE}",
        f"rejected  {folder / REJECTED_FILE}",
    ]
    return "\n".join(lines)
