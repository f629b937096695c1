"""The files of a data set in the making: shards of examples, each with a journal beside it.

A shard counts only once its journal is there, which is written after it; both get their names when
they are whole. So whatever ends a build, the shards that have a journal can be kept, and the next
build of the same content goes on behind the last of them.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from array_record.python.array_record_module import ArrayRecordWriter

from data_gen.errors import Reason
from data_gen.generate import Example, Outcome, Rejection

EXAMPLES_PER_SHARD = 2048  # 26 MB of patterns on the default grid
REJECTIONS_PER_SHARD = 16 * EXAMPLES_PER_SHARD  # these too are not to be lost, nor to fill memory
SHARD_SUFFIX, JOURNAL_SUFFIX = ".shard", ".json"

# Each example by itself, for random access. Stronger compression than zstd's weakest takes twice as
# long and makes patterns no smaller.
_WRITER_OPTIONS = "group_size:1,zstd:1"


@dataclass(frozen=True)
class Journal:
    """What became of the structures of one shard.

    Attributes:
        fingerprint: That of the data set.
        records: How many records of the sources the structures come from.
        examples: Id and space group of each example.
        rejections: The structures left out.
        example_bytes: Sum of the lengths of the examples.
        file_bytes: Length of the shard's file; 0 where it has no example and no file.
        seconds: How long it took.
    """

    fingerprint: str
    records: int
    examples: list[tuple[str, int]]
    rejections: list[Rejection]
    example_bytes: int
    file_bytes: int
    seconds: float

    @property
    def structures(self) -> int:
        """How many structures there are, written or left out."""
        return len(self.examples) + len(self.rejections)

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """Reads what `write` wrote.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds something else.
        """
        stored = json.loads(path.read_text(encoding="utf-8"))
        try:
            examples = [(str(name), int(group)) for name, group in stored.pop("examples")]
            rejections = [
                Rejection(name, source, Reason(reason), detail)
                for name, source, reason, detail in stored.pop("rejections")
            ]
            return cls(examples=examples, rejections=rejections, **stored)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no journal") from error

    def write(self, path: Path) -> None:
        """Writes the journal as JSON, under its name only when it is whole."""
        rejections = [(r.id, r.source, r.reason, r.detail) for r in self.rejections]
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self) | {"rejections": rejections}), encoding="utf-8")
        os.replace(part, path)


class Ids:
    """Ids that were seen, as 16 bytes each: they may be long and many."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, name: str) -> bool:
        """Takes note of an id; returns whether it is new."""
        before = len(self._digests)
        self._digests.add(hashlib.blake2b(name.encode(), digest_size=16).digest())
        return len(self._digests) > before


@dataclass
class Progress:
    """What the finished shards of a build hold together.

    Attributes:
        shards: How many there are.
        records: How many records of the sources they cover.
        structures: How many structures they cover.
        seconds: How long they took.
        ids: Those of their examples.
    """

    shards: int = 0
    records: int = 0
    structures: int = 0
    seconds: float = 0.0
    ids: Ids = field(default_factory=Ids)

    def count(self, journal: Journal) -> None:
        """Adds a shard, but not its ids."""
        self.shards += 1
        self.records += journal.records
        self.structures += journal.structures
        self.seconds += journal.seconds


class ShardFolder:
    """The shards of one data set in the making, numbered without gaps.

    Args:
        path: The folder, which need not exist.
        fingerprint: That of the data set; shards of another one do not count.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def shard(self, index: int) -> Path:
        """Where the examples of a shard lie."""
        return self.path / f"{index:06d}{SHARD_SUFFIX}"

    def journal(self, index: int) -> Path:
        """Where the journal of a shard lies."""
        return self.path / f"{index:06d}{JOURNAL_SUFFIX}"

    def journals(self) -> Iterator[Journal]:
        """Yields the journals of the finished shards in order, up to the first that is missing."""
        index = 0
        while (journal := self.finished(index)) is not None:
            yield journal
            index += 1

    def finished(self, index: int) -> Journal | None:
        """The journal of a shard; None unless both are there and whole."""
        try:
            journal = Journal.read(self.journal(index))
            size = self.shard(index).stat().st_size if journal.examples else 0
        except (OSError, ValueError):
            return None
        whole = size == journal.file_bytes and journal.fingerprint == self.fingerprint
        return journal if whole else None

    def open(self) -> Progress:
        """Makes the folder if need be, and leaves in it only the shards that count."""
        self.path.mkdir(parents=True, exist_ok=True)
        progress = Progress()
        for journal in self.journals():
            progress.count(journal)
            for name, _ in journal.examples:
                progress.ids.add(name)
        kept = {place(i) for i in range(progress.shards) for place in (self.shard, self.journal)}
        for path in set(self.path.iterdir()) - kept:
            path.unlink()
        return progress

    def append(self, outcomes: Iterable[list[Outcome]], progress: Progress) -> None:
        """Writes further shards.

        Args:
            outcomes: What became of the structures of each record that is not covered yet.
            progress: What `open` returned; brought up to date with each shard.

        Raises:
            OSError: The folder cannot be written to.
        """
        groups = iter(outcomes)
        try:
            while journal := self.write(progress.shards, groups, progress.ids):
                progress.count(journal)
        finally:
            self._tidy()

    def _tidy(self) -> None:
        for part in self.path.glob("*.part"):
            part.unlink()
        with contextlib.suppress(OSError):  # it is not empty
            self.path.rmdir()

    def write(self, index: int, groups: Iterator[list[Outcome]], ids: Ids) -> Journal | None:
        """Writes the next outcomes, as many as belong in one shard; None if there are no more.

        Args:
            index: Number of the shard.
            groups: Outcomes of one record at a time, which stay together.
            ids: Those of examples in earlier shards; a second example of an id is a rejection.

        Raises:
            OSError: The folder cannot be written to.
        """
        started = time.monotonic()
        part = self.shard(index).with_suffix(".part")
        shard = _OpenShard(part)
        records = 0
        for outcomes in groups:
            records += 1
            for outcome in outcomes:
                shard.add(outcome, ids)
            if shard.is_full():
                break
        if not records:
            return None
        shard.close()
        if shard.examples:
            os.replace(part, self.shard(index))
        journal = Journal(
            fingerprint=self.fingerprint,
            records=records,
            examples=shard.examples,
            rejections=shard.rejections,
            example_bytes=shard.example_bytes,
            file_bytes=self.shard(index).stat().st_size if shard.examples else 0,
            seconds=round(time.monotonic() - started, 3),
        )
        journal.write(self.journal(index))
        return journal

    def move(self, destination: Callable[[int, int], Path]) -> list[int]:
        """Moves the examples of all finished shards out of the folder; the journals stay.

        Args:
            destination: Gives the new place of shard i of n; shards without examples do not count.

        Returns:
            The number of examples in each shard that has any.
        """
        lengths = [len(journal.examples) for journal in self.journals()]
        filled = [index for index, length in enumerate(lengths) if length]
        # The last one first: whatever breaks in, those that are left have no gaps.
        for i, index in reversed(list(enumerate(filled))):
            os.replace(self.shard(index), destination(i, len(filled)))
        return [length for length in lengths if length]


class _OpenShard:
    """A shard that is being written.

    Args:
        path: Where to write its examples; nothing is written before the first of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None  # an ArrayRecordWriter, which declares no types
        self.examples: list[tuple[str, int]] = []
        self.rejections: list[Rejection] = []
        self.example_bytes = 0

    def add(self, outcome: Outcome, ids: Ids) -> None:
        if isinstance(outcome, Rejection):
            self.rejections.append(outcome)
            return
        if not ids.add(outcome.id):
            self.rejections.append(repeated(outcome))
            return
        with _disk_errors():
            if self._writer is None:
                self._writer = ArrayRecordWriter(str(self._path), _WRITER_OPTIONS)
            self._writer.write(outcome.data)
        self.examples.append((outcome.id, outcome.space_group))
        self.example_bytes += len(outcome.data)

    def is_full(self) -> bool:
        return (
            len(self.examples) >= EXAMPLES_PER_SHARD or len(self.rejections) >= REJECTIONS_PER_SHARD
        )

    def close(self) -> None:
        if self._writer is not None:
            with _disk_errors():
                self._writer.close()


def repeated(example: Example) -> Rejection:
    """Returns what becomes of an example whose id an earlier one has."""
    detail = "an earlier structure has this id"
    return Rejection(example.id, example.source, Reason.DUPLICATE_ID, detail)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what a full disk is to array_record
        reason = str(error).partition("; writing")[0]
        raise OSError(reason) from error
