"""Random orders in which the patterns of a set are passed through, again and again."""

import functools
import threading
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


class Passes:
    """An endless row of numbers: all those of a set in random order, then in another order, ….

    Position n is a function of the set, the seeds and n alone. A whole order is drawn at a time,
    0.05 µs per number and 8 bytes in memory; Grain's, which draws each number by itself, takes
    13 µs, more than it takes to copy the pattern. Threads may share it.

    Args:
        numbers: The set.
        seeds: Other seeds give other orders.
    """

    def __init__(self, numbers: Int[np.ndarray, " n"], seeds: Sequence[int]) -> None:
        self._numbers = numbers
        self._seeds = tuple(seeds)
        self._lock = threading.Lock()
        # A batch lies in one pass, or at the end of one and the beginning of the next.
        self._recent = functools.lru_cache(maxsize=2)(self._shuffled)

    def __getitem__(self, positions: slice) -> Int[np.ndarray, " m"]:
        """The numbers at consecutive positions; a set smaller than that repeats."""
        n = len(self._numbers)
        touched = range(positions.start // n, -(-positions.stop // n))
        return np.concatenate(
            [
                self._order(k)[max(positions.start - k * n, 0) : positions.stop - k * n]
                for k in touched
            ]
        )

    def _order(self, number: int) -> Int[np.ndarray, " n"]:
        with self._lock:  # else several threads would draw the same order
            return self._recent(number)

    def _shuffled(self, number: int) -> Int[np.ndarray, " n"]:
        return np.random.default_rng((*self._seeds, number)).permutation(self._numbers)
