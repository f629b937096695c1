"""Work done ahead of its use, in threads, so that a device does not wait for its input."""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from data_gen.parallel import available_cores

# Twice the cores, because a thread that reads from a disk mostly waits for it. More threads than
# this only fight for Python's lock, which each of them needs for a fifth of its work.
_MOST_WORKERS = 16
_READY = 2
"""Results that may lie ready while all workers are busy with later ones."""

_Result = TypeVar("_Result")


def ahead(make: Callable[[int], _Result], numbers: Iterable[int]) -> Generator[_Result]:
    """Yields ``make(number)`` for each number, in order, several being made at the same time.

    Closing the generator ends its threads; what they have not begun by then is not made.

    Args:
        make: Called from several threads at once.
        numbers: May be endless.

    Raises:
        Exception: What `make` raises, when its result's turn has come.
    """
    workers = min(2 * available_cores(), _MOST_WORKERS)
    left = iter(numbers)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    try:
        pending = deque(pool.submit(make, n) for n in itertools.islice(left, workers + _READY))
        while pending:
            ready = pending.popleft().result()
            pending.extend(pool.submit(make, n) for n in itertools.islice(left, 1))
            yield ready
    finally:
        pool.shutdown(cancel_futures=True)
