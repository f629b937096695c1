"""What every source of structures offers."""

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from data_gen.crystal import Crystal, crystals_from_cif_text
from data_gen.errors import InputError, Reason, StructureError
from data_gen.limits import MAX_CIF_BYTES, MAX_STRUCTURES_PER_CIF

_LONGEST_NAME = 255  # characters, as in most file systems

Parsed = tuple[str, Crystal | StructureError]
"""The id of a structure, and the structure or what is wrong with it."""


@dataclass(frozen=True)
class Record:
    """One unparsed entry of a source, small enough to travel to a worker process.

    Attributes:
        id: Name of the entry; its structures are named after it.
        source: Name of the source.
        payload: The entry as the source stores it, with its name.
        parse: Turns the payload into structures; a CIF with several blocks gives several.
    """

    id: str
    source: str
    payload: Any
    parse: Callable[[Any], Iterable[Parsed]]


class Source(ABC):
    """Structures from one place.

    Attributes:
        name: Short name for reports and for the data set's `source` field.
    """

    name: str

    @abstractmethod
    def fingerprint(self) -> str:
        """Returns a hash that changes whenever the content does."""

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Yields the entries, unparsed, in an order that does not change."""

    def count(self) -> int | None:
        """Returns how many entries there are; None where that is not known without reading all."""
        return None

    def __iter__(self) -> Iterator[tuple[str, Crystal]]:
        """Yields the id and the crystal of every structure that can serve."""
        for record in self.records():
            for name, crystal in record.parse(record.payload):
                if isinstance(crystal, Crystal):
                    yield name, crystal


def cif_record(name: str, source: str, content: bytes) -> Record:
    """Returns the record of a whole CIF; one over the size limit becomes a rejection."""
    if len(content) > MAX_CIF_BYTES:
        detail = f"CIF of more than {MAX_CIF_BYTES // 2**20} MiB"
        return rejected_record(name, source, Reason.TOO_LARGE, detail)
    name = _writable(name)
    return Record(name, _writable(source), (name, content), _parse_cif)


def rejected_record(name: str, source: str, reason: Reason, detail: str) -> Record:
    """Returns the record of an entry that could not be read from its source."""
    name = _writable(name)
    return Record(name, _writable(source), (name, StructureError(reason, detail)), _pass_on)


def _writable(name: str) -> str:
    """Spells out what no file or terminal should be given as it is, and cuts off what no one reads.

    That is: bytes of a file name that are in no encoding, halves of a pair in JSON, controls.
    """
    name = name[:_LONGEST_NAME]
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _parse_cif(payload: tuple[str, bytes]) -> Iterator[Parsed]:
    name, content = payload
    crystals = crystals_from_cif_text(content.decode("utf-8", errors="replace"))
    found = list(islice(crystals, MAX_STRUCTURES_PER_CIF))
    if next(crystals, None):
        detail = f"only its first {MAX_STRUCTURES_PER_CIF} structures are read"
        found.append(("", StructureError(Reason.TOO_LARGE, detail)))
    uses = Counter(block for block, _ in found)
    for index, (block, crystal) in enumerate(found):
        own = block if block and uses[block] == 1 else index
        yield (name if len(found) == 1 else _writable(f"{name}_{own}")), crystal


def _pass_on(payload: tuple[str, StructureError]) -> Iterator[Parsed]:
    yield payload


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's content.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        status = path.stat()
        return _hash_of_version(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise unreadable(str(path), error) from None


def unreadable(source: str, error: Exception) -> InputError:
    """Returns the error for a source that the system does not let be read."""
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    return InputError(f"source {source!r} cannot be read: {reason}; give another path or mend it")


@lru_cache(maxsize=64)
def _hash_of_version(path: Path, size: int, modified: int) -> str:
    """Hashes a file once per version of it."""
    del size, modified
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
