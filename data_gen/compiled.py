"""How the hot functions are compiled: with numba, cached on disk, without the interpreter lock.

The cache notices changes of a function's own file only, so a compiled function calls none of
another file.
"""

from numba import njit

kernel = njit(
    nogil=True,
    cache=True,
    error_model="numpy",  # Python's check for division by zero would forbid vector instructions
    fastmath={"reassoc", "contract", "nsz"},  # sums may be reordered; comparisons keep their sense
)
"""Decorator of compiled functions."""
