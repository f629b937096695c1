"""Records of structures in, finished examples or reasons for rejection out, on all cores.

The parent process reads the sources and writes the data set; worker processes parse, simulate and
serialise. Outcomes come back in the order of the records, whatever the number of workers.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from data_gen.crystal import Crystal, check_symmetry
from data_gen.errors import InputError, Reason, StructureError
from data_gen.examples import serialise
from data_gen.instrument import Instrument
from data_gen.simulate import simulate
from data_gen.sources import Record

RECORDS_PER_CHUNK = 64
BYTES_PER_CHUNK = 4 * 2**20
CHUNKS_AHEAD = 3  # per worker: enough that none waits, little enough that memory stays bounded


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


def available_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def generate(records: Iterable[Record], settings: Settings, workers: int) -> Generator[Outcome]:
    """Simulates every structure of `records`.

    Args:
        records: Unparsed structures; read only a bounded number ahead.
        settings: How each is checked and simulated.
        workers: Number of processes; with 1 everything runs in this one.

    Yields:
        One outcome per structure, in the order of the records.

    Raises:
        InputError: A worker process died.
    """
    work = partial(_outcomes_of_chunk, settings=settings)
    chunks = _chunks(records)
    if workers == 1:
        for chunk in chunks:
            yield from work(chunk)
        return
    with closing(_map_in_processes(work, chunks, workers)) as results:
        for outcomes in results:
            yield from outcomes


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += sum(len(part) for part in record.payload if isinstance(part, bytes | str))
        if len(chunk) >= RECORDS_PER_CHUNK or size >= BYTES_PER_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _outcomes_of_chunk(records: list[Record], settings: Settings) -> list[Outcome]:
    return [outcome for record in records for outcome in _outcomes(record, settings)]


def _outcomes(record: Record, settings: Settings) -> Iterator[Outcome]:
    try:
        for structure_id, parsed in record.parse(record.payload):
            yield _outcome(structure_id, record.source, parsed, settings)
    except Exception as error:  # one strange structure must not end a run over thousands
        yield Rejection(record.id, record.source, Reason.UNEXPECTED, repr(error))


def _outcome(
    structure_id: str, source: str, parsed: Crystal | StructureError, settings: Settings
) -> Outcome:
    try:
        if isinstance(parsed, StructureError):
            raise parsed
        if settings.check_symmetry:
            _check_symmetry(parsed)
        pattern = simulate(parsed, settings.instrument, settings.scattering_lengths)
    except StructureError as error:
        return Rejection(structure_id, source, error.reason, error.detail)
    data = serialise(structure_id, source, parsed, pattern)
    return Example(structure_id, source, parsed.space_group, data)


def _check_symmetry(crystal: Crystal) -> None:
    found = check_symmetry(crystal)
    if found is not None and found != crystal.space_group:
        raise StructureError(
            Reason.OTHER_SYMMETRY,
            f"stated space group {crystal.space_group}, coordinates have {found}",
        )


def _map_in_processes(
    work: Callable[[list[Record]], list[Outcome]], chunks: Iterable[list[Record]], workers: int
) -> Generator[list[Outcome]]:
    """`map(work, chunks)` on several processes, in order, with few chunks under way."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    under_way: deque[Future[list[Outcome]]] = deque()
    try:
        for chunk in chunks:
            with _ready_to_start_workers():
                under_way.append(pool.submit(work, chunk))
            if len(under_way) >= CHUNKS_AHEAD * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool:
        # The pool overlooks a worker that was being started, and would wait for it for ever.
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
        raise InputError(
            "a worker process was killed, most often for lack of memory; nothing was kept: "
            "start again, with fewer workers if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Makes this worker end however its parent ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _ready_to_start_workers() -> Iterator[None]:
    """Holds while a task is handed to the pool, which starts its workers when they are needed.

    A worker inherits that interruptions are blocked: the parent deals with them, after this. And it
    does not import the program that runs this: it needs nothing of it, the program may be heavy
    (training imports JAX), and a script without a `__main__` guard would start itself over in every
    worker.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if in_main_thread else None  # None: not Python's
    interruptions: list[int] = []
    if handler is not None:  # another thread may take the signal although this one blocks it
        signal.signal(signal.SIGINT, lambda number, _: interruptions.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if interruptions:
            signal.raise_signal(signal.SIGINT)
