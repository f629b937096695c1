"""Many files: finding them, reading them ahead in worker processes, answers in order, CSV.

As many processes as there are cores read and prepare files, a bounded number of them ahead of the
networks, which take full batches. However many files there are, few patterns are in memory.
"""

import csv
import glob
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from data_gen.errors import InputError
from data_gen.parallel import available_cores
from data_gen.workers import WorkerError, map_in_processes
from sgan_jax.answers import Answer
from sgan_jax.classifier import MOST_AT_ONCE
from sgan_jax.panel import Panel
from sgan_jax.presentation import Presented, Terms, present_files

FEW = 300
"""Up to so many files are read in this process: others would take longer to start."""
ONE_BY_ONE = 8
"""Up to so many files are answered one by one, with the network that is compiled for one."""

_FILES_PER_CHUNK = 32
_MOST_LISTED = 1000  # files that could not be read; more tell nothing new

T = TypeVar("T")


def find_files(names: Iterable[str]) -> list[str]:
    """The files that names stand for, each once.

    Args:
        names: Files, folders (all files in them, at any depth, but hidden ones), or patterns such
            as ``data/*.xye`` that the shell has not expanded. A name of nothing stays as it is, and
            becomes a file that cannot be read.
    """
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys(_files_of(name))
    return list(found)


def _files_of(name: str) -> Iterator[str]:
    if os.path.isdir(name):
        yield from _inside(name)
    elif os.path.lexists(name) or not (matches := sorted(glob.glob(name, recursive=True))):
        yield name
    else:
        for match in matches:
            yield from _inside(match) if os.path.isdir(match) else (match,)


def _inside(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(place, name) for name in sorted(files) if not name.startswith("."))


def answered(
    files: Sequence[str], panel: Panel, terms: Terms, *, keep_stages: bool = False
) -> Generator[tuple[Presented, Answer]]:
    """Answers for files, in their order; what is wrong with a file is in its own answer.

    Args:
        files: Any number.
        panel: The networks.
        terms: How patterns are prepared.
        keep_stages: Whether the stages of the preparation are to be drawn.

    Raises:
        InputError: A worker process was killed from outside.
    """
    size = 1 if len(files) <= ONE_BY_ONE else MOST_AT_ONCE
    with closing(_presented(files, terms, keep_stages)) as patterns:
        for batch in batches(patterns, size):
            yield from zip(batch, panel.answers(batch), strict=True)


def _presented(files: Sequence[str], terms: Terms, keep_stages: bool) -> Generator[Presented]:
    many = len(files) > FEW
    work = partial(present_files, terms=terms, keep_stages=keep_stages, many=many)
    chunks = batches(files, _FILES_PER_CHUNK if many else 1)
    if not many:
        for chunk in chunks:
            yield from work(chunk)
        return
    with closing(map_in_processes(work, chunks, available_cores(), _crashed)) as results:
        for presented in results:
            yield from presented


def _crashed(file: str, death: WorkerError) -> Presented:
    error = f"{file}: it crashes the process that reads it ({death}); please report it"
    return Presented(file, error=error, mistake=True)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive items in lists of `size`, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


class Table:
    """Answers as CSV, one line per file.

    Args:
        file: Open text file.
        top: Candidates in an answer.
    """

    def __init__(self, file: Any, top: int) -> None:  # noqa: ANN401 - whatever csv can write to
        self._top = top
        self._writer = csv.writer(file, lineterminator="\n")
        numbers = range(1, top + 1)
        lattices = (f"bravais_{n}{of}" for n in numbers for of in ("", "_probability"))
        groups = (f"space_group_{n}{of}" for n in numbers for of in ("", "_symbol", "_probability"))
        self._writer.writerow(
            ("file", "answered", *lattices, *groups, "wavelength", "radiation", "warnings", "error")
        )

    def add(self, answer: Answer) -> None:
        """Writes one line."""
        lattices = [(each.symbol, each.probability) for each in answer.bravais_lattice]
        groups = [(each.number, each.symbol, each.probability) for each in answer.space_group]
        lattices += [("", "")] * (self._top - len(lattices))
        groups += [("", "", "")] * (self._top - len(groups))
        self._writer.writerow(
            (
                answer.file,
                str(answer.answered).lower(),
                *(value for candidate in (*lattices, *groups) for value in candidate),
                answer.wavelength,
                answer.radiation,
                " ".join(answer.warnings),
                answer.error,
            )
        )


@contextmanager
def open_table(path: Path | None, top: int) -> Iterator[Table | None]:
    """A table that appears under its name when it is complete.

    Raises:
        InputError: It cannot be written there.
    """
    if path is None:
        yield None
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        file = part.open("w", newline="", encoding="utf-8", errors="surrogateescape")
    try:
        with file:
            yield Table(file, top)
            with writing(path):
                file.flush()
        with writing(path):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Makes the failure to write to a place a mistake of its name.

    Raises:
        InputError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: give a place that can be written") from None


def check_writable(folder: Path) -> None:
    """Makes a folder if need be, and fails before the first answer rather than after it.

    Raises:
        InputError: Nothing can be written there.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def check_file(path: Path, option: str) -> None:
    """Fails before the work rather than after it where a file cannot be written.

    Args:
        path: The file; its folder is made if need be.
        option: Of the command line, that names it.

    Raises:
        InputError: Nothing can be written there, or it is a folder.
    """
    check_writable(path.absolute().parent)
    if path.is_dir():
        raise InputError(f"{option}={path} is a folder; name a file in it")


class Tally:
    """What became of files, with the reasons of those that could not be read.

    Attributes:
        files: How many there were.
        answered: How many of them got an answer.
        mistakes: Why others could not get one, for want of something the user can mend.
    """

    def __init__(self) -> None:
        self.files = 0
        self.answered = 0
        self.mistakes: list[str] = []

    def add(self, answer: Answer) -> None:
        """Counts an answer."""
        self.files += 1
        self.answered += answer.answered
        if answer.mistake:
            error = str(answer.error)
            known = error.startswith(answer.file)
            self.mistakes.append(error if known else f"{answer.file}: {error}")

    def line(self) -> str:
        """The counts in words."""
        declined = self.files - self.answered - len(self.mistakes)
        return (
            f"{self.files:,} files: {self.answered:,} answered, {declined:,} without a confident "
            f"answer, {len(self.mistakes):,} not readable as they are"
        )

    def require_no_mistakes(self) -> None:
        """Raises InputError, with all reasons, if a file could not be read."""
        if not self.mistakes:
            return
        if self.files == 1:
            raise InputError(self.mistakes[0])
        shown = [*self.mistakes[:_MOST_LISTED]]
        if left := len(self.mistakes) - len(shown):
            shown.append(f"and {left:,} more")
        listed = "\n".join(f"  {reason}" for reason in shown)
        raise InputError(f"{len(self.mistakes):,} of {self.files:,} files:\n{listed}")
