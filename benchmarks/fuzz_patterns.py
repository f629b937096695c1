"""Broken files through the readers: `python -m benchmarks.fuzz_patterns --mutants=10000`.

One pattern is written in every format that is read, and the files are broken in many ways. Each
must be refused with a message, or give a pattern, in bounded time and memory. Where one character
was lost, added or changed, or the file was cut, all points but those touched must be the right
ones.
"""

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from tqdm import tqdm

from benchmarks import mutations
from benchmarks.mutations import Mutation
from benchmarks.pattern_samples import SAMPLES, example
from benchmarks.tables import markdown
from data_gen.command_line import Parser
from data_gen.errors import InputError
from sgan_jax.measured import Pattern, read_patterns
from sgan_jax.measured.limits import MIN_POINTS

_DESCRIPTION = (
    "Breaks files of measured patterns and reads them; tells what must not have happened."
)
_SLOWEST_FILE = 2.0  # seconds of a core
_MOST_MEMORY = 2 * 2**30  # bytes of address space beyond that at the start
_PER_TASK = 200  # files that a process reads before it reports
_HEADER = 0.2  # of a file: what stands there can move all points, and is not changed by one letter
_LONGEST_MESSAGE = 500  # characters
_READ, _REFUSED = "read", "refused"
# Its step is the range divided by the number of intensities, which the file gives nowhere else.
_STEP_OF_COUNT = ("PANalytical XRDML",)

_Points = Float64[np.ndarray, "points 2"]


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(int(_HEADER * len(content)), len(content))


def lost_character(content: bytes, rng: random.Random) -> bytes:
    """Takes one byte away."""
    place = _place(content, rng)
    return content[:place] + content[place + 1 :]


def added_character(content: bytes, rng: random.Random) -> bytes:
    """Puts one character in."""
    place = _place(content, rng)
    return content[:place] + rng.choice(b"0123456789 .-\n#,;e").to_bytes() + content[place:]


def changed_character(content: bytes, rng: random.Random) -> bytes:
    """Replaces one byte."""
    place = _place(content, rng)
    new = rng.choice(b"0123456789 .-\n#,;e").to_bytes()
    return content[:place] + new + content[place + 1 :]


def cut(content: bytes, rng: random.Random) -> bytes:
    """Ends the file too early."""
    return content[: _place(content, rng)]


def repeated_header(content: bytes, rng: random.Random) -> bytes:
    """Puts the beginning of the file somewhere into it, as if two had been joined."""
    place = rng.randrange(len(content))
    return content[:place] + content[: rng.choice((80, 400, 4000))] + content[place:]


def reversed_words(content: bytes, rng: random.Random) -> bytes:
    """Writes the words of every line, or of every second line, in the other order."""
    step = rng.choice((1, 2))
    lines = content.split(b"\n")
    lines[::step] = [b" ".join(reversed(line.split())) for line in lines[::step]]
    return b"\n".join(lines)


def lost_words(content: bytes, rng: random.Random) -> bytes:
    """Leaves out the first or the last word of every line."""
    kept = rng.choice((slice(1, None), slice(-1)))
    return b"\n".join(b" ".join(line.split()[kept]) for line in content.split(b"\n"))


_GENTLE: tuple[Mutation, ...] = (lost_character, added_character, changed_character, cut)
_ROUGH: tuple[Mutation, ...] = (
    repeated_header, reversed_words, lost_words, mutations.flip_bytes, mutations.change_digits,
    mutations.delete_lines, mutations.duplicate_lines, mutations.shuffle_lines,
    mutations.strange_numbers, mutations.strange_text, mutations.not_utf8, mutations.utf16,
    mutations.nul_bytes, mutations.deep_loops, mutations.quotes, mutations.enormous_token,
    mutations.line_ends, mutations.noise,
)  # fmt: skip
MUTATIONS: dict[str, Mutation] = {m.__name__: m for m in (*_GENTLE, *_ROUGH)}
"""All mutations by name."""


@dataclass(frozen=True)
class Mutant:
    """A broken file.

    Attributes:
        index: Its number.
        format: What was broken.
        mutation: How.
        content: The bytes.
    """

    index: int
    format: str
    mutation: str
    content: bytes

    @property
    def title(self) -> str:
        """Names the mutant in messages."""
        return f"{self.index:06d} ({self.format}, {self.mutation})"


@dataclass
class Report:
    """What became of the broken files.

    Attributes:
        outcomes: How often each format and each mutation led to each outcome.
        problems: What must not have happened, with the mutant.
        slowest: Seconds of a core that the slowest file took, and its title.
        peak_mib: Most resident memory of a process.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[tuple[int, str]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak_mib: float = 0.0

    def add(self, other: "Report") -> None:
        """Adds what another process found."""
        self.outcomes += other.outcomes
        self.problems += other.problems
        self.slowest = max(self.slowest, other.slowest)
        self.peak_mib = max(self.peak_mib, other.peak_mib)


def mutant(index: int, seed: int = 0) -> Mutant:
    """Makes one broken file, always the same for the same index and seed."""
    rng = random.Random(f"{seed} {index}")
    name = list(SAMPLES)[index % len(SAMPLES)]
    mutation = list(MUTATIONS)[index // len(SAMPLES) % len(MUTATIONS)]
    content = MUTATIONS[mutation](SAMPLES[name].write(example()), rng)
    return Mutant(index, name, mutation, content)


def judge(broken: Mutant, folder: Path) -> str:
    """Reads a broken file in this process.

    Returns:
        "read" or "refused".

    Raises:
        AssertionError: What was read is no pattern, or has points that the file does not have.
    """
    path = folder / "mutant.dat"
    path.write_bytes(broken.content)
    try:
        with warnings.catch_warnings(action="error"):
            patterns = read_patterns(path)
    except InputError as error:
        _check_message(str(error), path)
        return _REFUSED
    for pattern in patterns:
        check(pattern)
    gentle = broken.mutation in {mutation.__name__ for mutation in _GENTLE}
    if gentle and broken.format not in _STEP_OF_COUNT:
        original = folder / "original.dat"
        original.write_bytes(SAMPLES[broken.format].write(example()))
        _compare(patterns, read_patterns(original)[0], broken.mutation == cut.__name__)
    return _READ


def check(pattern: Pattern) -> None:
    """Checks what every pattern has to be.

    Raises:
        AssertionError: It is not.
    """
    x, sigma = pattern.two_theta, pattern.sigma
    assert len(x) >= MIN_POINTS, f"{len(x)} points"
    assert np.isfinite(x).all(), "angles are not finite"
    assert (np.diff(x) > 0).all(), "angles do not ascend"
    assert ((x > 0) & (x < 180)).all(), f"angles from {x[0]} to {x[-1]}"
    assert pattern.intensity.shape == x.shape, "intensities are missing"
    assert np.isfinite(pattern.intensity).all(), "intensities are not finite"
    assert sigma is None or (sigma.shape == x.shape and (sigma > 0).all()), "uncertainties"


def _check_message(message: str, path: Path) -> None:
    assert message.startswith(str(path)), "the message does not name the file"
    assert "; " in message, "the message has no remedy"
    assert len(message) < _LONGEST_MESSAGE, "the message is long"


def _compare(patterns: Sequence[Pattern], original: Pattern, is_cut: bool) -> None:
    """Holds the points of a file with one changed character against the right ones."""
    assert len(patterns) == 1, f"{len(patterns)} patterns"
    right = {point: i for i, point in enumerate(map(tuple, _points(original).tolist()))}
    found = [right.get(point) for point in map(tuple, _points(patterns[0]).tolist())]
    known = np.array([place for place in found if place is not None])
    strangers = len(found) - len(known)
    assert strangers <= 2 - is_cut, f"{strangers} wrong points"
    assert (np.diff(known) > 0).all(), "points in another order"
    missing = np.diff(known).sum() - len(known) + 1 if is_cut else len(right) - len(known)
    assert missing <= (0 if is_cut else 2), f"{missing} lost points"


def _points(pattern: Pattern) -> _Points:
    return np.stack([pattern.two_theta.round(5), pattern.intensity.round(5)], axis=1)


# ---------------------------------------------------------------- many


def fuzz(count: int, seed: int = 0, workers: int = 2, keep: Path | None = None) -> Report:
    """Breaks and reads many files, in processes with a limit of memory.

    Args:
        count: How many.
        seed: Another one breaks them in other ways.
        workers: How many processes.
        keep: Folder that receives the files with which something went wrong.
    """
    report = Report()
    tasks = [(first, min(first + _PER_TASK, count), seed) for first in range(0, count, _PER_TASK)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _limit_memory, maxtasksperchild=20) as pool:
        pending = [(task, pool.apply_async(judge_range, task)) for task in tasks]
        for task, result in tqdm(pending, desc="fuzzing", unit=" tasks"):
            try:
                report.add(result.get(_SLOWEST_FILE * _PER_TASK))
            except multiprocessing.TimeoutError:
                report.problems.append((task[0], f"a file from {task[0]} on: hangs or crashes"))
                break
    for index, _ in report.problems:
        if keep is not None:
            (keep / f"{index:06d}").write_bytes(mutant(index, seed).content)
    return report


def judge_range(first: int, end: int, seed: int) -> Report:
    """Reads the mutants from one number to before another."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, end):
            _time(mutant(index, seed), report, lambda broken: judge(broken, Path(folder)))
    report.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return report


def _time(broken: Mutant, report: Report, read: Callable[[Mutant], str]) -> None:
    started = time.process_time()  # other programs must not make a file slow
    try:
        outcome = read(broken)
    except Exception as error:
        outcome = "wrong"
        report.problems.append((broken.index, f"{broken.title}: {error!r:.300}"))
    seconds = time.process_time() - started
    for name in (broken.format, broken.mutation):
        report.outcomes[name, outcome] += 1
    report.slowest = max(report.slowest, (seconds, broken.title))
    if seconds > _SLOWEST_FILE:
        report.problems.append((broken.index, f"{broken.title}: took {seconds:.1f} s"))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


# ---------------------------------------------------------------- command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0, 1 if something went wrong, 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.fuzz_patterns", description=_DESCRIPTION)
    add = parser.add_argument
    add("--mutants", type=int, default=10_000, metavar="N", help="broken files; default: 10,000")
    add("--seed", type=int, default=0, help="another one breaks them in other ways")
    add("--keep", type=Path, metavar="DIR", help="where files with which something went wrong go")
    try:
        return _run(parser.parse_args(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    if options.mutants < 1:
        raise InputError("--mutants: give at least 1")
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    report = fuzz(options.mutants, options.seed, keep=options.keep)
    print(outcome_table(report, options.mutants, time.perf_counter() - started))
    print("\n".join(text for _, text in report.problems) or "nothing went wrong")
    return 1 if report.problems else 0


def outcome_table(report: Report, count: int, seconds: float) -> str:
    """Returns how many files of each format and mutation were read and refused."""
    outcomes = (_READ, _REFUSED)
    rows = [
        (name, *(str(report.outcomes[name, outcome]) for outcome in outcomes))
        for name in (*SAMPLES, *MUTATIONS)
    ]
    slowest, title = report.slowest
    head = (
        f"{count:,} broken files in {seconds:.0f} s and at most {report.peak_mib:,.0f} MiB; the "
        f"slowest took {slowest:.2f} s: {title}"
    )
    return markdown(head, ("format or mutation", *outcomes), rows)


if __name__ == "__main__":
    sys.exit(main())
