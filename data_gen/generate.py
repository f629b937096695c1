"""Records of structures in, finished examples or reasons for rejection out, on all cores.

The parent process reads the sources and writes the data set; worker processes parse, simulate and
serialise. Outcomes come back in the order of the records, whatever the number of workers.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float32

from data_gen.crystal import Crystal, check_symmetry
from data_gen.errors import Reason, StructureError
from data_gen.examples import serialise
from data_gen.instrument import Instrument
from data_gen.scattering import notes
from data_gen.simulate import simulate_many
from data_gen.sources import Parsed, Record
from data_gen.workers import WorkerError, map_in_processes

STRUCTURES_PER_CHUNK = 64
BYTES_PER_CHUNK = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Example:
    """A structure that can serve: `data` is its record, ready to be written."""

    id: str
    source: str
    space_group: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Rejection:
    """A structure that cannot serve, and why."""

    id: str
    source: str
    reason: Reason
    detail: str


Outcome = Example | Rejection


@dataclass(frozen=True, slots=True)
class Settings:
    """What turns a structure into an example.

    Attributes:
        instrument: What measures the pattern.
        scattering_lengths: Name of the table of scattering lengths.
        check_symmetry: Whether to reject ordered structures whose coordinates have another
            space group than their file states.
    """

    instrument: Instrument
    scattering_lengths: str
    check_symmetry: bool


def generate(
    records: Iterable[Record], settings: Settings, workers: int
) -> Generator[list[Outcome]]:
    """Simulates every structure of `records`.

    Args:
        records: Unparsed structures; read only a bounded number ahead.
        settings: How each is checked and simulated.
        workers: Number of processes; with 1 everything runs in this one.

    Yields:
        One list of outcomes per record, in the order of the records.

    Raises:
        InputError: As `data_gen.workers.map_in_processes`.
    """
    work = partial(outcomes_of_chunk, settings=settings)
    chunks = _chunks(records)
    if workers == 1:
        for chunk in chunks:
            yield from work(chunk)
        return
    with closing(map_in_processes(work, chunks, workers, _crashed)) as results:
        for outcomes in results:
            yield from outcomes


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = structures = 0
    for record in records:
        chunk.append(record)
        size += sum(len(part) for part in record.payload if isinstance(part, bytes | str))
        structures += _most_structures(record)
        if structures >= STRUCTURES_PER_CHUNK or size >= BYTES_PER_CHUNK:
            yield chunk
            chunk, size, structures = [], 0, 0
    if chunk:
        yield chunk


def _most_structures(record: Record) -> int:
    """Returns how many structures a record can hold, by the headings of blocks in a CIF."""
    texts = (part for part in record.payload if isinstance(part, bytes))
    return max(1, sum(text.lower().count(b"data_") for text in texts))


def _crashed(record: Record, death: WorkerError) -> list[Outcome]:
    detail = f"it crashes the process that works on it ({death})"
    return [Rejection(record.id, record.source, Reason.UNEXPECTED, detail)]


def outcomes_of_chunk(records: list[Record], settings: Settings) -> list[list[Outcome]]:
    """What becomes of the structures of each record; all are simulated together."""
    parsed = [list(_parsed(record, settings)) for record in records]
    crystals = [c for of_record in parsed for _, c in of_record if isinstance(c, Crystal)]
    patterns = iter(_patterns(crystals, settings))
    return [
        [_outcome(name, record.source, found, patterns, settings) for name, found in of_record]
        for record, of_record in zip(records, parsed, strict=True)
    ]


def _parsed(record: Record, settings: Settings) -> Iterator[Parsed]:
    try:
        for name, found in record.parse(record.payload):
            wrong = _symmetry_error(found) if settings.check_symmetry else None
            yield name, wrong or found
    except Exception as error:  # one strange structure must not end a run over thousands
        yield record.id, StructureError(Reason.UNEXPECTED, repr(error))


def _symmetry_error(found: Crystal | StructureError) -> StructureError | None:
    if isinstance(found, StructureError):
        return None
    try:
        actual = check_symmetry(found)
    except StructureError as error:
        return error
    if actual in (None, found.space_group):
        return None
    detail = f"stated space group {found.space_group}, coordinates have {actual}"
    return StructureError(Reason.OTHER_SYMMETRY, detail)


def _patterns(
    crystals: list[Crystal], settings: Settings
) -> Iterator[Float32[np.ndarray, " points"] | StructureError]:
    """The pattern of each crystal, or why there is none."""
    try:
        made = simulate_many(crystals, settings.instrument, settings.scattering_lengths, threads=1)
    except Exception as error:
        if len(crystals) > 1:  # the others shall not suffer from it
            for crystal in crystals:
                yield from _patterns([crystal], settings)
            return
        yield StructureError(Reason.UNEXPECTED, repr(error))
        return
    for number, pattern in enumerate(made.patterns):
        error = made.errors.get(number)
        yield error or pattern


def _outcome(
    name: str,
    source: str,
    found: Crystal | StructureError,
    patterns: Iterator[Float32[np.ndarray, " points"] | StructureError],
    settings: Settings,
) -> Outcome:
    """Takes the next of the patterns for a crystal."""
    if isinstance(found, Crystal):
        pattern = next(patterns)
        if not isinstance(pattern, StructureError):
            return _example(name, source, found, pattern, settings)
        found = pattern
    return Rejection(name, source, found.reason, found.detail)


def _example(
    name: str,
    source: str,
    crystal: Crystal,
    pattern: Float32[np.ndarray, " points"],
    settings: Settings,
) -> Outcome:
    used = settings.instrument
    try:
        remarks = notes(
            crystal.species, used.radiation, settings.scattering_lengths, used.wavelength
        )
        data = serialise(name, source, crystal, pattern, " ".join(remarks))
        return Example(name, source, crystal.space_group, data)
    except Exception as error:  # again: one strange structure
        return Rejection(name, source, Reason.UNEXPECTED, repr(error))
