"""Runs every package on the same crystals, by turns, so that a drift of the machine is seen."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.agreement import Agreement, compare
from benchmarks.crystals import write_exchange_file
from benchmarks.environments import (
    BRAGGCALCULATOR,
    CCTBX,
    GEMMI,
    OURS,
    PYMATGEN,
    PYMATGEN_2024,
    Package,
    run_script,
)
from benchmarks.times import Timed
from data_gen.crystal import Crystal
from data_gen.errors import InputError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_ONE_THREAD: dict[str, str] = dict.fromkeys(_THREADS, "1")


@dataclass(frozen=True)
class Entry:
    """A package with one way of using it.

    Attributes:
        package: What runs.
        how: In words, for the tables.
        flags: For its script.
    """

    package: Package
    how: str = ""
    flags: tuple[str, ...] = ()


@dataclass
class Result(Timed):
    """What was measured of an entry; without times if its environment is missing.

    Attributes:
        entry: What ran.
        version: Of the package.
        seconds: Per crystal, of every pass over all crystals, by launch.
        failed: Names of crystals that it could not compute, and why.
        agreement: With our intensities, where it gives lines.
        problem: Why its script gave nothing.
    """

    entry: Entry
    version: str = ""
    seconds: list[list[float]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    agreement: Agreement | None = None
    problem: str = ""


SINGLE = Entry(OURS, "one call each")
BATCHED = Entry(OURS, "batched", ("--batched",))
PACKED = Entry(OURS, "batched, packed before", ("--batched", "--packed"))
_ALL_CORES_FLAGS = ("--batched", "--all_cores", "--copies=10")  # else it is over too soon
ALL_CORES = Entry(OURS, "batched, 10 of each, all cores", _ALL_CORES_FLAGS)


@dataclass(frozen=True)
class Race:
    """A task and who takes part in it.

    Attributes:
        title: Heading of its table.
        flags: What the task is, for all scripts.
        entries: Ours first.
        radiation: ``"neutron"`` or ``"xray"``.
    """

    title: str
    flags: tuple[str, ...]
    entries: tuple[Entry, ...]
    radiation: str = "neutron"


STICKS = Race(
    "Crystals → stick lists, neutrons",
    (),
    (
        SINGLE,
        BATCHED,
        PACKED,
        ALL_CORES,
        *map(Entry, (CCTBX, GEMMI, BRAGGCALCULATOR, PYMATGEN, PYMATGEN_2024)),
    ),
)
PATTERNS = Race(
    "Crystals → patterns on the default grid",
    ("--task=patterns",),
    (SINGLE, BATCHED, PACKED, ALL_CORES, Entry(BRAGGCALCULATOR, "Gauss, constant width")),
)
XRAYS = Race(
    "Crystals → stick lists, X-rays",
    ("--radiation=xray",),
    (SINGLE, BATCHED, PACKED, ALL_CORES, *map(Entry, (CCTBX, GEMMI, PYMATGEN))),
    "xray",
)


def run(
    race: Race, crystals: Mapping[str, Crystal], environments: Path, repeats: int, once: bool
) -> list[Result]:
    """Launches every entry `repeats` times, and ours after each of the others.

    Args:
        race: The task and the entries.
        crystals: What all of them compute.
        environments: Folder of the virtual environments.
        repeats: Launches of each entry.
        once: Launch each entry once for a single pass: a trial of the benchmark itself.
    """
    results = [Result(entry) for entry in race.entries]
    installed = [r for r in results if r.entry.package.python(environments) is not None]
    turns = installed if once else _turns(installed, repeats)
    flags = (*race.flags, "--once") if once else race.flags
    with tempfile.TemporaryDirectory() as folder:
        exchange = Path(folder) / "crystals.json"
        write_exchange_file(exchange, dict(crystals))
        for result in tqdm(turns, desc=race.title, unit=" launches"):
            if result.problem:
                continue
            try:
                found = _launch(result.entry, exchange, flags, environments)
            except InputError as error:
                if result.entry.package is OURS:
                    raise
                result.problem = str(error)
            else:
                _take(result, found, crystals, race.radiation)
    return results


def _turns(results: Sequence[Result], repeats: int) -> list[Result]:
    ours = next(result for result in results if result.entry == BATCHED)
    turns = []
    for _ in range(repeats):
        for result in results:
            turns += [result] if result.entry.package is OURS else [result, ours]
    return turns


def _launch(
    entry: Entry, exchange: Path, flags: Sequence[str], environments: Path
) -> dict[str, Any]:
    out = exchange.with_name("result.json")
    settings = {} if "--all_cores" in entry.flags else _ONE_THREAD
    run_script(entry.package, environments, [exchange, out, *flags, *entry.flags], settings)
    return json.loads(out.read_text())


def _take(
    result: Result, found: Mapping[str, Any], crystals: Mapping[str, Crystal], radiation: str
) -> None:
    result.version = found["version"]
    result.seconds.append(found["seconds_per_crystal"])
    result.failed = found["failed"]
    if found["lines"] and result.agreement is None:
        result.agreement = compare(crystals, found, radiation)
