"""Broken CIFs through the whole build: `python -m benchmarks.fuzz_cif --count=10000`.

Real CIFs are broken in many ways, put into archives with members that try to leave them, and built
into data sets as a user would. Every file must end either in the data set, with patterns from 0 to
1, or in `rejected.csv`, with a reason that was foreseen; in bounded time and memory, and with
nothing written elsewhere.
"""

import argparse
import csv
import io
import itertools
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm

from benchmarks import dataset
from benchmarks.crystals import lot
from benchmarks.mutations import mutant, mutation_of
from benchmarks.tables import markdown
from data_gen.builder import build
from data_gen.command_line import Parser
from data_gen.crystal import Crystal
from data_gen.errors import InputError, Reason, StructureError
from data_gen.instrument import DEFAULT_INSTRUMENT, instrument
from data_gen.simulate import simulate
from data_gen.sources import open_sources
from data_gen.sources.base import cif_record
from data_gen.spec import DatasetSpec
from data_gen.summary import REJECTED_FILE
from data_gen.write_cif import cif_text

FILES_PER_ARCHIVE = 1000

_DESCRIPTION = "Breaks CIFs and builds data sets of them; tells what must not have happened."
_ORIGINALS = 300
_LONGEST_ORIGINAL = 20_000  # bytes
_SLOWEST_FILE = 10.0  # seconds that one file may take
_MOST_MEMORY = 1536  # MiB over all processes of a build
_TEST_FILES = Path(__file__).resolve().parents[1] / "tests" / "data"
_ACCEPTED = "accepted"
_HOSTILE = {"hostile1": "../", "hostile2": "/", "hostile3": ""}  # members and their folders
_LINK = "hostile3"
_INTACT = "intact"  # member that is not broken: a build needs one that can serve


@dataclass
class Report:
    """What became of the broken files.

    Attributes:
        outcomes: How often each mutation led to each outcome.
        problems: What must not have happened.
        slowest: Seconds that the slowest file took, and its name.
        peak_mib: Most memory of a build, over all its processes.
        seconds: Wall time of the builds.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak_mib: float = 0.0
    seconds: float = 0.0


def originals(sources: str, seed: int = 0) -> list[bytes]:
    """Returns real CIFs to break: some of the sources', and those of the tests."""
    records = itertools.chain.from_iterable(s.records() for s in open_sources(sources))
    found = [path.read_bytes() for path in sorted(_TEST_FILES.glob("*.cif"))]
    for record in sorted(records, key=lambda r: lot(r, seed)):
        if len(found) >= _ORIGINALS:
            break
        if isinstance(record.payload[1], bytes):
            content = record.payload[1]
        else:
            parsed = next(iter(record.parse(record.payload)))[1]
            content = cif_text(record.id, parsed).encode() if isinstance(parsed, Crystal) else b""
        if 0 < len(content) <= _LONGEST_ORIGINAL:
            found.append(content)
    return found


def judge(content: bytes) -> list[str]:
    """Parses and simulates a file in this process.

    Returns:
        One outcome per structure of the file: "accepted", or the reason of its rejection.

    Raises:
        AssertionError: An accepted structure has no proper pattern.
    """
    record = cif_record("mutant", "fuzz", content)
    return [_outcome(parsed) for _, parsed in record.parse(record.payload)]


def _outcome(parsed: Crystal | StructureError) -> str:
    try:
        if isinstance(parsed, StructureError):
            raise parsed
        pattern = simulate(parsed, instrument(DEFAULT_INSTRUMENT))
    except StructureError as error:
        return str(error.reason)
    assert is_proper(pattern), f"pattern from {pattern.min()} to {pattern.max()}"
    return _ACCEPTED


def is_proper(pattern: np.ndarray) -> bool:
    """Returns whether a pattern is finite and runs from 0 to 1."""
    return bool(np.isfinite(pattern).all() and pattern.min() == 0 and pattern.max() == 1)


def fuzz(files: Sequence[bytes], count: int, seed: int, keep: Path | None = None) -> Report:
    """Breaks files and builds data sets of them.

    Args:
        files: Real CIFs.
        count: How many broken ones are made.
        seed: Decides which.
        keep: Folder that receives the files with which something went wrong.
    """
    report = Report()
    for first in tqdm(range(0, count, FILES_PER_ARCHIVE), desc="fuzzing", unit=" archives"):
        indices = range(first, min(first + FILES_PER_ARCHIVE, count))
        mutants = {f"{index:06d}": mutant(files, index, seed) for index in indices}
        known = len(report.problems)
        _time_each(mutants, report)
        with tempfile.TemporaryDirectory() as folder:
            _build(mutants | {_INTACT: files[0]}, Path(folder), report)
        for problem in report.problems[known:]:
            name = problem.partition(" ")[0]
            if keep is not None and name in mutants:
                (keep / f"{name}.cif").write_bytes(mutants[name])
    return report


def _time_each(mutants: Mapping[str, bytes], report: Report) -> None:
    for name, content in mutants.items():
        started = time.perf_counter()
        try:
            judge(content)
        except Exception as error:
            report.problems.append(f"{_title(name)}: {error!r:.300}")
        seconds = time.perf_counter() - started
        report.slowest = max(report.slowest, (seconds, _title(name)))
        if seconds > _SLOWEST_FILE:
            report.problems.append(f"{_title(name)}: took {seconds:.0f} s")


def _title(name: str) -> str:
    return f"{name} ({_mutation(name)})"


def _mutation(name: str) -> str:
    return mutation_of(int(name)) if name.isdigit() else name.rstrip("0123456789")


def _build(mutants: Mapping[str, bytes], folder: Path, report: Report) -> None:
    archive = folder / "mutants.tar.gz"
    _write_archive(archive, mutants)
    cost = dataset.build(str(archive), folder, _SLOWEST_FILE * len(mutants))
    report.seconds += cost.seconds
    report.peak_mib = max(report.peak_mib, cost.peak_mib)
    if cost.peak_mib > _MOST_MEMORY:
        report.problems.append(f"build: {cost.peak_mib:.0f} MiB of memory")
    expected = {"data", "elsewhere", "log", archive.name}
    strays = [path.name for path in folder.iterdir() if path.name not in expected]
    strays += [path.name for path in (folder / "elsewhere").rglob("*")]
    report.problems += [f"build: wrote {name}" for name in strays]
    left = {*mutants, *_HOSTILE}
    for structure_id, outcome in _outcomes(archive, folder / "data", report):
        name = structure_id.partition("_")[0]  # the rest is the name of a block
        left.discard(name)
        report.outcomes[_mutation(name), outcome] += 1
        if not _is_due(name, outcome):
            report.problems.append(f"{_title(name)}: {outcome}")
    report.problems += [f"{_title(name)}: neither written nor rejected" for name in sorted(left)]


def _is_due(name: str, outcome: str) -> bool:
    """Returns whether a member may end so."""
    if name == _INTACT:
        return outcome == _ACCEPTED
    if name in _HOSTILE:
        return outcome == Reason.UNSAFE_MEMBER
    return outcome not in (Reason.UNEXPECTED, Reason.UNSAFE_MEMBER)


def _write_archive(path: Path, mutants: Mapping[str, bytes]) -> None:
    """Writes the files, and members that try to leave the archive."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in mutants.items():
            member = tarfile.TarInfo(f"{name}.cif")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, folder in _HOSTILE.items():
            member = tarfile.TarInfo(f"{folder}{name}.cif")
            if name == _LINK:
                member.type, member.linkname = tarfile.SYMTYPE, "../../target.cif"
            archive.addfile(member)


def _outcomes(archive: Path, data: Path, report: Report) -> Iterator[tuple[str, str]]:
    """Yields the id and the outcome of every structure of a data set."""
    builder = build(DatasetSpec(sources=str(archive)), data, progress=False)
    for example in cast(Any, builder).as_data_source(split="all"):
        structure_id = example["id"].decode()
        if not is_proper(example["pattern"]):
            report.problems.append(f"{structure_id} has no proper pattern")
        yield structure_id, _ACCEPTED
    with (Path(builder.data_dir) / REJECTED_FILE).open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            yield row["id"], row["reason"]


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, 1 if something went wrong, 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.fuzz_cif", description=_DESCRIPTION)
    add = parser.add_argument
    add("--count", type=int, default=10_000, metavar="N", help="broken files; default: 10,000")
    add("--seed", type=int, default=0, help="another one breaks other files in other ways")
    add("--structures", default="amcsd", metavar="SOURCE", help="what is broken; default: amcsd")
    add("--keep", type=Path, metavar="DIR", help="where files with which something went wrong go")
    try:
        return _run(parser.parse_args(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.count < 1:
        raise InputError("--count: give at least 1")
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    report = fuzz(originals(options.structures), options.count, options.seed, options.keep)
    print(outcome_table(report, options.count))
    print("\n".join(report.problems) or "nothing went wrong")
    return 1 if report.problems else 0


def outcome_table(report: Report, count: int) -> str:
    """Returns how many structures of each mutation were accepted, or rejected for each reason."""
    reasons = Counter[str]()
    for (_, outcome), number in report.outcomes.items():
        reasons[outcome] += number
    mutations = list(dict.fromkeys(mutation for mutation, _ in report.outcomes))
    rows = [
        (mutation, *(str(report.outcomes[mutation, reason] or "") for reason in reasons))
        for mutation in sorted(mutations)
    ]
    rows.append(("all", *(str(number) for number in reasons.values())))
    seconds, name = report.slowest
    title = (
        f"{count:,} broken CIFs: builds took {report.seconds:.0f} s and at most "
        f"{report.peak_mib:,.0f} MiB; the slowest file {seconds:.2f} s: {name}"
    )
    return markdown(title, ("mutation", *reasons), rows)


if __name__ == "__main__":
    sys.exit(main())
