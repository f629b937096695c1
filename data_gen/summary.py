"""What became of the structures of a build: counts, rejected.csv, summary.json and a table."""

import csv
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from data_gen.errors import InputError, Reason
from data_gen.generate import Example, Outcome, Rejection
from data_gen.symmetry import BRAVAIS_LATTICES, CRYSTAL_SYSTEMS, bravais_lattice, crystal_system

SUMMARY_FILE = "summary.json"
REJECTED_FILE = "rejected.csv"


class Tally:
    """Counts outcomes as they pass and writes the rejected ones to a table.

    Args:
        rejected: Open text file that receives one line per rejected structure.
    """

    def __init__(self, rejected: TextIO) -> None:
        self._started = time.monotonic()
        self._space_groups: Counter[int] = Counter()
        self._reasons: Counter[Reason] = Counter()
        self._first_details: dict[Reason, str] = {}
        self._seen: set[str] = set()
        self._table = csv.writer(rejected)
        self._table.writerow(("id", "source", "reason", "detail"))

    def accepted(self, outcomes: Iterator[Outcome]) -> Iterator[Example]:
        """The examples among `outcomes` whose id was not seen before; counts everything."""
        for outcome in outcomes:
            if isinstance(outcome, Example) and outcome.id not in self._seen:
                self._seen.add(outcome.id)
                self._space_groups[outcome.space_group] += 1
                yield outcome
            else:
                self._reject(outcome)

    def _reject(self, outcome: Outcome) -> None:
        reason, detail = Reason.DUPLICATE_ID, "an earlier structure has this id"
        if isinstance(outcome, Rejection):
            reason, detail = outcome.reason, outcome.detail
        self._reasons[reason] += 1
        self._first_details.setdefault(reason, f"{outcome.id}: {detail}" if detail else outcome.id)
        self._table.writerow((outcome.id, outcome.source, reason, detail))

    def require_any(self) -> None:
        """Raises InputError, naming the commonest reason, if no structure was accepted."""
        if self._space_groups:
            return
        if not self._reasons:
            raise InputError("the sources hold no structures")
        reason, count = self._reasons.most_common(1)[0]
        raise InputError(
            f"all {self._reasons.total()} structures were rejected, {count} of them for: {reason} "
            f"(the first is {self._first_details[reason]:.200}); give structures that are complete"
        )

    def summary(self) -> dict[str, Any]:
        """The counts so far under the names of summary.json."""
        written, rejected = self._space_groups.total(), self._reasons.total()
        seconds = time.monotonic() - self._started
        return {
            "written": written,
            "rejected": rejected,
            "rejected_by_reason": {str(r): n for r, n in self._reasons.most_common()},
            "class_counts": _class_counts(self._space_groups),
            "seconds": round(seconds, 2),
            "structures_per_s": round((written + rejected) / seconds, 1),
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
