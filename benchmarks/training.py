"""Training beside PyTorch, and its goals: `python -m benchmarks.training`.

It prints whether the networks of both sides are the same, then tables of times per step, of
compilation and of the parts of a step; `--out` keeps them as Markdown, JSON and a picture. On a
machine that does other work meanwhile the figures mean little: the column `spread` tells.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import training_agreement, training_picture
from benchmarks.environments import DEFAULT_FOLDER, TORCH, make_environments
from benchmarks.peers.steps import cores
from benchmarks.peers.weights import below, read_arrays
from benchmarks.races import Entry
from benchmarks.tables import markdown, milliseconds
from benchmarks.training_agreement import Difference, compare
from benchmarks.training_races import (
    COMPILED,
    EAGER,
    EAGER_1D,
    OURS,
    Machine,
    Race,
    Result,
    races,
    run,
)
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from data_gen.pattern_files import save

_GOAL_COMPILE = 15.0  # seconds

Tables = tuple[list[str], Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    return exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    description = "Measures training beside PyTorch and its goals."
    parser = Parser(prog="python -m benchmarks.training", description=description)
    add = parser.add_argument
    add("--device", choices=("cpu", "gpu"), default="cpu")
    add("--repeats", type=int, default=3, metavar="N", help="launches of each package")
    add("--environments", type=Path, default=DEFAULT_FOLDER, metavar="DIR")
    add("--make_environments", action="store_true", help="install PyTorch first")
    add("--only", choices=tuple(_PARTS), action="append", help="a part; may be repeated")
    add(
        "--quick",
        action="store_true",
        help="a trial: one step of each; figures worth nothing",
    )
    add("--compiled", action="store_true", help="torch.compile too: a minute more each launch")
    add("--out", type=Path, metavar="DIR", help="where training.md, .json and .png go")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.repeats < 1:
        raise InputError("--repeats: give at least 1")
    if options.make_environments:
        make_environments(options.environments, [TORCH])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    texts, record, raced = [], {}, {}
    with tempfile.TemporaryDirectory() as caches:
        machine = Machine(options.device, options.environments, Path(caches))
        for part in _chosen_parts(options.only):
            tables, record[part] = _PARTS[part](part, machine, options)
            print(*tables, sep="\n", flush=True)
            texts += tables
            raced |= record[part] if part in _RACES else {}
    if options.out:
        save(options.out / "training.md", "\n".join(texts).encode())
        save(options.out / "training.json", json.dumps(record, indent=2, default=_plain).encode())
        if raced:
            training_picture.draw(raced, options.out / "training.png")


def _chosen_parts(only: Sequence[str] | None) -> list[str]:
    """The parts to run; nothing is timed before the networks were compared."""
    parts = list(only or _PARTS)
    if _AGREEMENT not in parts and not set(_RACES).isdisjoint(parts):
        parts.insert(0, _AGREEMENT)
    return parts


def _plain(value: Any) -> Any:  # noqa: ANN401
    """What JSON can hold of a value that is no plain one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


# ---------------------------------------------------------------- same networks


def _agreement(part: str, machine: Machine, options: argparse.Namespace) -> Tables:
    header = ("network", "result", "difference", "in", "at most", "agrees", "in float32")
    found = {
        f"{how}, {pool} stem pool": differences
        for pool in ("with", "without")
        for how, differences in _differences(machine, pool == "with").items()
    }
    rows = [
        (
            name,
            exact.kind,
            f"{exact.largest:.1e}",
            exact.where,
            f"{training_agreement.TOLERANCES[exact.kind]:.0e}",
            _yes(exact.within),
            f"{single.largest:.1e}",
        )
        for name, (in_float64, in_float32) in found.items()
        for exact, single in zip(in_float64, in_float32, strict=True)
    ]
    title = "Ours in float32 and PyTorch in float64, same weights, no dropout: relative difference"
    table = markdown(title, header, rows or [("PyTorch: not installed", *[""] * 6)])
    if not all(exact.within for in_float64, _ in found.values() for exact in in_float64):
        raise InputError(f"the networks of the two sides are not the same\n{table}")
    return [table], found


def _differences(
    machine: Machine, pool: bool
) -> dict[str, tuple[list[Difference], list[Difference]]]:
    """What differs from PyTorch in float64 and in float32, by the way of using it."""
    flags = ["--task=check", *([] if pool else ["--no_pool"])]
    peers = [entry for entry in (EAGER, EAGER_1D) if machine.has(entry)]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.npz", Path(folder) / "theirs.npz"
        if peers:
            machine.launch(OURS, flags, ours)
        for entry in peers:
            machine.launch(entry, [*flags, f"--exchange={ours}"], theirs)
            own, other = read_arrays(ours), read_arrays(theirs)
            found[entry.how] = (
                compare(own, below(other, "float64")),
                compare(own, below(other, "float32")),
            )
    return found


# ---------------------------------------------------------------- packages side by side


def _races(part: str, machine: Machine, options: argparse.Namespace) -> Tables:
    tables, record = [], {}
    for race in races(options.device)[part]:
        results = run(race, machine, options.repeats, once=options.quick, compiled=options.compiled)
        device = f"{cores()} cores" if options.device == "cpu" else results[0].device
        header = (
            "package", "how", "batch", "median", "least", "spread", "patterns/s",
            "ours is faster", "by least times", "goal", "reached", "peak memory",
        )  # fmt: skip
        rows = [_row(race, result, results[0]) for result in results]
        tables.append(markdown(f"{race.title} ({device})", header, rows))
        record[race.title] = {"race": race, "results": results}
    return tables, record


def _row(race: Race, result: Result, ours: Result) -> tuple[str, ...]:
    name = f"{result.entry.package.label} {result.version}".strip()
    if not result.seconds:
        problem = result.problem or "not installed: --make_environments"
        return (name, f"{result.entry.how}: {problem}", *[""] * 10)
    is_ours = result is ours
    ratio = result.median / result.patterns / (ours.median / ours.patterns)
    best = result.least / result.patterns / (ours.least / ours.patterns)
    return (
        name,
        result.entry.how,
        str(result.batch),
        milliseconds(result.median),
        milliseconds(result.least),
        f"{result.spread:.2f}",
        f"{result.per_second:,.0f}",
        "" if is_ours else f"{ratio:.2f} ×",
        "" if is_ours else f"{best:.2f} ×",
        *_goal(race, result, min(ratio, best), is_ours),
        f"{result.peak_mib:,.0f} MiB",
    )


def _goal(race: Race, result: Result, ratio: float, is_ours: bool) -> tuple[str, str]:
    if is_ours and race.per_second is not None:
        return f"≥ {race.per_second:,.0f}/s", _yes(result.per_second >= race.per_second)
    if race.ratio is not None and result.entry in (EAGER, EAGER_1D):
        return f"≥ {race.ratio:g} ×", _yes(ratio >= race.ratio)
    return "", ""


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


# ---------------------------------------------------------------- compilation


def _compilation(part: str, machine: Machine, options: argparse.Namespace) -> Tables:
    """How much longer the first SGAN step takes than the second, each in a fresh process."""
    cases = [(OURS, True), (OURS, False)]
    if options.compiled:
        cases.append((COMPILED, True))
    rows, record = [], {}
    for entry, pool in cases:
        if not machine.has(entry):
            continue
        flags = ["--task=sgan", "--batch=32", "--once", *([] if pool else ["--no_pool"])]
        repeats = 1 if options.quick or entry != OURS else options.repeats
        launches = [_cold_and_warm(entry, flags, machine) for _ in range(repeats)]
        name = f"{entry.package.label} {entry.how}".strip()
        name = f"{name}, {'with' if pool else 'without'} stem pool"
        for index, cache in enumerate(("empty", "filled")):
            times = record[f"{name}, cache {cache}"] = [launch[index] for launch in launches]
            wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
            goal = ("", "")
            if entry == OURS:
                goal = (f"≤ {_GOAL_COMPILE:g} s", _yes(wall <= _GOAL_COMPILE))
            rows.append((name, cache, f"{wall:.1f} s", f"{cpu:.1f} s", *goal))
    header = ("SGAN step", "cache on disk", "wall time", "CPU time", "goal", "reached")
    title = "Compilation: the first step of a fresh process less its second"
    return [markdown(title, header, rows)], record


def _cold_and_warm(
    entry: Entry, flags: Sequence[str], machine: Machine
) -> list[tuple[float, float]]:
    """Wall and CPU seconds without and with what the launch before left on disk."""
    with tempfile.TemporaryDirectory() as caches:
        own = dataclasses.replace(machine, caches=Path(caches))
        found = [own.measure(entry, flags) for _ in range(2)]
    return [
        (one["first_step_seconds"] - one["seconds_per_step"][0], one["first_step_cpu_seconds"])
        for one in found
    ]


# ---------------------------------------------------------------- parts of a step


def _profile(part: str, machine: Machine, options: argparse.Namespace) -> Tables:
    """Seconds of a step by part of the network."""
    header = ("part", "over all threads", "share")
    if options.device == "gpu":
        return [markdown("Parts of our SGAN step", header, [("on CPUs only", "", "")])], {}
    found = machine.measure(OURS, ["--task=profile", "--batch=32"])
    total = sum(found["parts"].values())
    rows = [
        (name, milliseconds(seconds), f"{seconds / total:.1%}")
        for name, seconds in found["parts"].items()
    ]
    title = f"Parts of our SGAN step, {milliseconds(found['wall'])} in all"
    return [markdown(title, header, rows)], found


_AGREEMENT = "agreement"
_RACES = ("supervised", "sgan", "inference")
_PARTS = {
    _AGREEMENT: _agreement,
    **dict.fromkeys(_RACES, _races),
    "compilation": _compilation,
    "profile": _profile,
}

if __name__ == "__main__":
    sys.exit(main())
