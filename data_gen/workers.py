"""Worker processes that may die without taking the work of the others with them."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import ModuleType
from typing import Generic, TypeVar

from data_gen.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

CHUNKS_AHEAD = 3  # per worker: enough that none waits, little enough that memory stays bounded

# What only someone else does to a process: a person, or the system when memory runs out. Any other
# end is the doing of what the process was working on.
_FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, -signal.SIGXCPU}

_starting = threading.Lock()


class WorkerError(Exception):
    """A worker process ended in the middle of its work.

    Attributes:
        exit_code: Its exit status, or the negative number of the signal that ended it.
    """

    def __init__(self, exit_code: int) -> None:
        cause = f"exit status {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
        super().__init__(cause)
        self.exit_code = exit_code


def map_in_processes(
    work: Callable[[list[T]], list[R]],
    chunks: Iterable[list[T]],
    workers: int,
    lost: Callable[[T, WorkerError], R],
) -> Generator[list[R]]:
    """`map(work, chunks)` on several processes, in order, with few chunks under way.

    Where a worker crashes, the items of its chunk are worked on once more, one by one.

    Args:
        work: Gives one result per item of a chunk; pickled, as are items and results.
        chunks: Lists of items; read only a bounded number ahead.
        workers: Number of processes.
        lost: Gives the result of an item that made two workers crash.

    Raises:
        InputError: A worker was killed from outside, or none can be started.
    """
    pool = _Pool(work, workers, lost)
    under_way: deque[Future[list[R]]] = deque()
    try:
        for chunk in chunks:
            under_way.append(pool.submit(chunk))
            if len(under_way) >= CHUNKS_AHEAD * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.close()


class _Pool(Generic[T, R]):
    """As many threads as worker processes: each waits for one of them at a time."""

    def __init__(
        self,
        work: Callable[[list[T]], list[R]],
        workers: int,
        lost: Callable[[T, WorkerError], R],
    ) -> None:
        self._work = work
        self._lost = lost
        self._threads = ThreadPoolExecutor(workers, initializer=_block_interruptions)
        self._idle: SimpleQueue[_Worker | None] = SimpleQueue()  # None: one that is yet to start
        for _ in range(workers):
            self._idle.put(None)
        self._alive: set[_Worker] = set()
        self._closed = False

    def submit(self, chunk: list[T]) -> Future[list[R]]:
        return self._threads.submit(self._run, chunk)

    def close(self) -> None:
        """Ends all workers, whatever they do."""
        with _starting:
            self._closed = True
            for worker in self._alive:
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._alive:
            worker.process.join()

    def _run(self, chunk: list[T], again: bool = False) -> list[R]:
        worker = self._idle.get()
        try:
            worker = worker or self._start()
            results = worker.call(chunk)
        except WorkerError as death:
            worker = None
            if death.exit_code in _FROM_OUTSIDE:
                raise _killed(death) from None
            died = death
        else:
            return results
        finally:
            self._idle.put(worker)
        if again:
            return [self._lost(item, died) for item in chunk]
        return [result for item in chunk for result in self._run([item], again=True)]

    def _start(self) -> "_Worker":
        with _starting:
            if self._closed:
                raise WorkerError(-signal.SIGKILL)
            worker = _Worker(self._work)
            self._alive.add(worker)
        worker.wait_until_ready()
        return worker


def _killed(death: WorkerError) -> InputError:
    return InputError(
        f"a worker process was killed ({death}), most often for lack of memory: "
        "start again, with fewer workers if memory is short"
    )


class _Worker:
    """One process that applies `work` to what comes through its pipe."""

    def __init__(self, work: Callable) -> None:
        self._pipe, its_end = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=_serve, args=(its_end, work), daemon=True)
        with _without_main_program():
            self.process.start()
        its_end.close()

    def wait_until_ready(self) -> None:
        """Waits until the process has imported what it needs.

        Raises:
            WorkerError: It was killed.
            InputError: It ended by itself.
        """
        try:
            self._receive()
        except WorkerError as death:
            if death.exit_code in _FROM_OUTSIDE:
                raise
            raise InputError(
                f"worker processes cannot be started ({death}, see above): "
                "mend the installation, or build with one worker"
            ) from None

    def call(self, chunk: list) -> list:
        """Returns `work(chunk)`; raises WorkerError if that ended the process."""
        try:
            self._pipe.send(chunk)
        except OSError:
            raise self._death() from None
        return self._receive()

    def _receive(self) -> list:
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None

    def _death(self) -> WorkerError:
        self.process.join()
        return WorkerError(self.process.exitcode or 0)


def _serve(pipe: Connection, work: Callable[[list[T]], list[R]]) -> None:
    """What a worker process does until it is killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # the parent is gone, and this process soon
        pipe.send([])
        while True:
            pipe.send(work(pipe.recv()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _block_interruptions() -> None:
    """Leaves interruptions to the main thread, as will the processes that this thread starts."""
    resource_tracker.ensure_running()  # else started with the first process; it lifts the block
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


@contextmanager
def _without_main_program() -> Iterator[None]:
    """Holds while a process is started: it does not import the program that runs this.

    It needs nothing of it, the program may be heavy (training imports JAX), and a script without a
    `__main__` guard would start itself over in every worker.
    """
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = program
