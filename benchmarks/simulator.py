"""The simulator beside its peers, and its goals: `python -m benchmarks.simulator`.

It prints tables of times per structure, of whole commands and of growth; `--out` keeps them as
Markdown, JSON and a picture. On a machine that does other work meanwhile the figures mean little:
the column `spread` tells.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import dataset, growth, races
from benchmarks.crystals import draw
from benchmarks.environments import (
    BRAGGCALCULATOR,
    CCTBX,
    DEFAULT_FOLDER,
    PYMATGEN,
    PYMATGEN_2024,
    make_environments,
)
from benchmarks.races import Race, Result
from benchmarks.tables import markdown, milliseconds
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from data_gen.pattern_files import save

_SEED = 0
_GOAL_PER_SECOND = {races.STICKS.title: 20_000, races.PATTERNS.title: 5_000}  # on one core
_GOAL_RATIO = {CCTBX: 9, PYMATGEN: 600}  # for neutron stick lists
_GOAL_BUILD = "40 s and 1.5 GiB for 40,797 structures"
_GOAL_START = "3 s"
_GOAL_EXPONENT = "≤ 1"
_EXAMPLE = "tests/data/halite.cif"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    return exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    description = "Measures the simulator beside its peers and its goals."
    parser = Parser(prog="python -m benchmarks.simulator", description=description)
    add = parser.add_argument
    add("--structures", default="amcsd", metavar="SOURCE", help="an archive; default: amcsd")
    add("--count", type=int, default=300, metavar="N", help="crystals drawn from it")
    add("--repeats", type=int, default=3, metavar="N", help="launches of each package")
    add("--environments", type=Path, default=DEFAULT_FOLDER, metavar="DIR")
    add("--make_environments", action="store_true", help="install what the peers need first")
    add("--only", choices=tuple(_PARTS), action="append", help="a part; may be repeated")
    add("--quick", action="store_true", help="a trial: one pass of each, figures worth nothing")
    add("--out", type=Path, metavar="DIR", help="where simulator.md, .json and growth.png go")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.count < 1 or options.repeats < 1:
        raise InputError("--count and --repeats: give at least 1")
    if options.make_environments:
        make_environments(options.environments, (CCTBX, BRAGGCALCULATOR, PYMATGEN_2024))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    tables, record = [], {}
    for part in options.only or _PARTS:
        table, record[part] = _PARTS[part](options)
        print(table, flush=True)
        tables.append(table)
    if options.out:
        save(options.out / "simulator.md", "\n".join(tables).encode())
        save(options.out / "simulator.json", json.dumps(record, indent=2, default=str).encode())


# ---------------------------------------------------------------- packages side by side


def _race(race: Race, options: argparse.Namespace) -> tuple[str, Any]:
    crystals = draw(options.structures, options.count, _SEED)
    results = races.run(race, crystals, options.environments, options.repeats, options.quick)
    title = f"{race.title} ({len(crystals)} crystals of {Path(options.structures).name})"
    header = (
        "package", "how", "median", "least", "spread", "structures/s",
        "× batched", "× one call", "goal", "failed", "difference median", "largest", "of crystals",
    )  # fmt: skip
    rows = [_row(race, result, results) for result in results]
    record = [dataclasses.asdict(result) for result in results]
    return markdown(title, header, rows), record


def _row(race: Race, result: Result, results: Sequence[Result]) -> tuple[str, ...]:
    name = f"{result.entry.package.label} {result.version}".strip()
    if not result.seconds:
        problem = result.problem or "not installed: --make_environments"
        name = f"{name} ({result.entry.package.script})"
        return (name, problem, *[""] * 6, _goal(race, result), *[""] * 4)
    own = {r.entry: r.least for r in results if r.seconds}
    found = result.agreement
    differences = ("", "", "")
    if found is not None:
        differences = (f"{found.median:.1e}", f"{found.largest:.1e}", str(found.crystals))
    return (
        name,
        result.entry.how,
        milliseconds(result.median),
        milliseconds(result.least),
        f"{result.spread:.2f}",
        f"{1 / result.least:,.0f}",
        f"{result.least / own[races.BATCHED]:.3g}",
        f"{result.least / own[races.SINGLE]:.3g}",
        _goal(race, result),
        str(len(result.failed)),
        *differences,
    )


def _goal(race: Race, result: Result) -> str:
    if result.entry == races.BATCHED and race.title in _GOAL_PER_SECOND:
        return f"≥ {_GOAL_PER_SECOND[race.title]:,}/s"
    if race is races.STICKS and result.entry.package in _GOAL_RATIO:
        return f"≥ {_GOAL_RATIO[result.entry.package]} ×"
    return ""


# ---------------------------------------------------------------- whole commands


def _commands(options: argparse.Namespace) -> tuple[str, Any]:
    repeats = 1 if options.quick else options.repeats
    starts = {
        "start: data_gen --help": ("-m", "data_gen", "--help"),
        f"start: data_gen.simulate {Path(_EXAMPLE).name}": ("-m", "data_gen.simulate", _EXAMPLE),
    }
    costs = {name: dataset.start_up(command, repeats) for name, command in starts.items()}
    rows = [
        (name, f"{cost.seconds:.2f} s", f"{cost.cpu_seconds:.2f} s", "", "", "", _GOAL_START)
        for name, cost in costs.items()
    ]
    name = f"data set of {Path(options.structures).name}"
    with tempfile.TemporaryDirectory() as place:
        built = costs[name] = dataset.build(_absolute(options.structures), Path(place))
    rows.append(
        (
            name,
            f"{built.seconds:.1f} s",
            f"{built.cpu_seconds:.1f} s",
            f"{built.peak_mib:,.0f} MiB",
            f"{built.written:,}",
            f"{built.rejected:,}",
            _GOAL_BUILD,
        )
    )
    header = ("command", "wall time", "CPU time", "peak memory", "written", "rejected", "goal")
    record = {name: dataclasses.asdict(cost) for name, cost in costs.items()}
    return markdown("Whole commands, all cores", header, rows), record


def _absolute(sources: str) -> str:
    """Returns the sources with full paths, for a command that runs elsewhere."""
    return ",".join(
        str(Path(name).resolve()) if Path(name).exists() else name for name in sources.split(",")
    )


# ---------------------------------------------------------------- growth


def _growth(options: argparse.Namespace) -> tuple[str, Any]:
    points, repeats = (5, 1) if options.quick else (13, 5)
    series = growth.measure(points, repeats)
    if options.out:
        growth.draw(series, options.out / "growth.png")
    header = (
        "crystals",
        "largest",
        "its time",
        "time per Å³ and site",
        "exponent at the end",
        "goal",
    )
    rows = [
        (
            one.label,
            f"{one.volumes[-1]:,.0f} Å³, {one.sites[-1]:,} sites",
            milliseconds(one.seconds[-1]),
            f"{1e9 * one.seconds[-1] / one.work[-1]:.3g} ns",
            f"{one.exponent:.2f}",
            _GOAL_EXPONENT,
        )
        for one in series
    ]
    return markdown("Growth", header, rows), [dataclasses.asdict(one) for one in series]


_PARTS = {
    "sticks": lambda options: _race(races.STICKS, options),
    "patterns": lambda options: _race(races.PATTERNS, options),
    "xrays": lambda options: _race(races.XRAYS, options),
    "commands": _commands,
    "growth": _growth,
}

if __name__ == "__main__":
    sys.exit(main())
