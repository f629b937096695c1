"""Work in pieces on threads: for compiled functions, which hold no interpreter lock."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


def available_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_pieces(
    work: Callable[[int, int], _Result], count: int, size: int, threads: int | None
) -> Iterator[_Result]:
    """Yields ``work(first, end)`` for consecutive pieces of ``range(count)``, in order.

    Args:
        work: Works on a piece.
        count: Number of items.
        size: Items per piece, small enough that no thread is left with a long last one.
        threads: How many work at the same time; None for one per core.

    Raises:
        ValueError: No thread is to work.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"{threads} threads: give at least 1, or None for one per core")
    firsts = range(0, count, size)
    threads = min(threads or available_cores(), len(firsts))
    ends = [min(first + size, count) for first in firsts]
    if threads <= 1:
        yield from map(work, firsts, ends)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, firsts, ends)
