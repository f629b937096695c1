"""Whether training waits for its input, and what the input side could feed: goals beside figures.

`python -m benchmarks.inputs` builds a data set, makes one that is larger than the machine's memory
from copies of its files, trains from both, and takes all of it away again.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.feeding import Task
from benchmarks.large_dataset import copies, forget, size
from benchmarks.tables import markdown
from data_gen.builder import build
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from data_gen.pattern_files import save
from data_gen.spec import DatasetSpec

_ROOT = Path(__file__).resolve().parents[1]
_LARGER = 1.2  # than the memory of the machine
_SPARE = 2 * 2**30  # bytes that are left free on the disk

_GOAL_WAITING = "< 2 %"
_GOAL_FED = {"supervised": "100,000/s", "sgan": "40,000/s"}  # with one H100 and 16 cores

_FRACTIONS = {"sgan": 0.1, "supervised": 0.9}
_TRAINED, _FED = {"sgan": 32, "supervised": 64}, {"supervised": 1024}
"""Batch sizes of what is trained, and of what is only fed, as to a GPU."""


@dataclass(frozen=True)
class Case:
    """A data set and where its patterns are.

    Attributes:
        title: In the table.
        folder: The data set; None where there is none.
        streamed: Whether its patterns stay in their files.
        cached: Whether the system may keep the files in memory.
        problem: Why there is no data set.
    """

    title: str
    folder: Path | None
    streamed: bool
    cached: bool = True
    problem: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    return exit_status(_run, _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    description = "Measures whether training waits for its input."
    parser = Parser(prog="python -m benchmarks.inputs", description=description)
    add = parser.add_argument
    add("--structures", default="amcsd", metavar="SOURCES", help="of the data set; default: amcsd")
    add("--scratch", default=tempfile.gettempdir(), metavar="DIR", help="for the data sets")
    add("--seconds", type=float, default=10.0, metavar="S", help="per figure")
    add("--quick", action="store_true", help="a trial: 200 structures, figures worth nothing")
    add("--out", type=Path, metavar="DIR", help="where inputs.md and inputs.json go")
    return parser


def _run(options: argparse.Namespace) -> None:
    if options.seconds <= 0:
        raise InputError(f"--seconds={options.seconds}: give more than 0")
    if not Path(options.scratch).is_dir():
        raise InputError(f"--scratch={options.scratch} is no folder; name one with room")
    seconds = 0.1 if options.quick else options.seconds
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder)
        records = [
            {
                **dataclasses.asdict(case),
                **dataclasses.asdict(task),
                **_measured(case, task, scratch),
            }
            for case in _cases(options, scratch)
            for task in _tasks(case, seconds)
        ]
    table = _table(records)
    print(table)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        save(options.out / "inputs.md", table.encode())
        save(options.out / "inputs.json", json.dumps(records, indent=2, default=str).encode())


def _cases(options: argparse.Namespace, scratch: Path) -> list[Case]:
    spec = DatasetSpec(options.structures, limit=200 if options.quick else None)
    folder = Path(build(spec, scratch, progress=False).data_dir)
    large, problem = _large(folder, scratch / "large", 3 if options.quick else None)
    return [
        Case("in memory", folder, streamed=False),
        Case("streamed", folder, streamed=True),
        Case("streamed, larger than memory", large, True, cached=False, problem=problem),
    ]


def _large(folder: Path, destination: Path, times: int | None) -> tuple[Path | None, str]:
    """Makes a data set that does not fit into memory, or says why not."""
    wanted = _LARGER * psutil.virtual_memory().total
    times = times or int(-(-wanted // size(folder)))
    free = shutil.disk_usage(destination.parent).free - _SPARE
    if times * size(folder) > free:
        return None, f"needs {wanted / 2**30:.0f} GiB of disk, {free / 2**30:.0f} are free"
    copies(folder, destination, times)
    return destination, ""


def _tasks(case: Case, seconds: float) -> list[Task]:
    if case.folder is None:
        return [Task(case.streamed, "sgan", 32, 0.1, seconds, training=True)]
    return [
        Task(case.streamed, method, batch_size, _FRACTIONS[method], seconds, training)
        for sizes, training in ((_TRAINED, True), (_FED, False))
        for method, batch_size in sizes.items()
    ]


def _measured(case: Case, task: Task, scratch: Path) -> dict[str, Any]:
    if case.folder is None:
        return {}
    if not case.cached:
        forget(case.folder)
    command = [sys.executable, "-m", "benchmarks.feeding", str(case.folder)]
    done = subprocess.run(
        [*command, json.dumps(dataclasses.asdict(task))],
        cwd=_ROOT,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(scratch / "compiled")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise InputError(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _table(records: Sequence[dict[str, Any]]) -> str:
    header = (
        "patterns are", "how many", "method", "batch", "read in", "memory for them", "peak memory",
        "fed", "goal", "CPU per pattern", "copied", "trained", "waiting", "goal",
        "slower for input",
    )  # fmt: skip
    return markdown("Input of training", header, [_row(record) for record in records])


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    if record["problem"]:
        return (record["title"], record["problem"], *[""] * 13)
    memory = [f"{record[name]:,.0f} MiB" for name in ("memory_mib", "peak_mib")]
    trained = ("", "", "", "")
    if record["training"]:
        slower = 1 - record["trained_per_s"] / record["trained_per_s_without_input"]
        trained = (
            f"{record['trained_per_s']:,.0f}/s",
            f"{record['waiting']:.2%}",
            _GOAL_WAITING,
            f"{slower:.1%}",
        )
    return (
        record["title"],
        f"{record['patterns']:,}",
        record["method"],
        str(record["batch_size"]),
        f"{record['start_seconds']:.1f} s",
        *memory,
        f"{record['fed_per_s']:,.0f}/s",
        "" if record["streamed"] else _GOAL_FED[record["method"]],
        f"{1e6 * record['cpu_seconds_per_pattern']:.1f} µs",
        f"{record['copied_per_s']:,.0f}/s",
        *trained,
    )


if __name__ == "__main__":
    sys.exit(main())
