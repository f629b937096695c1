"""Numbers as programs of several decades write them."""

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.pattern import PatternError

_NUMERAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d{1,3})?")
_MISSING = re.compile(r"\?|\.|-+|\*+|[-+]?nan(?:\(.*\))?|n/?a|[-+]?inf(?:inity)?", re.IGNORECASE)
Words = Sequence[str] | Float64[np.ndarray, " words"]
"""What a file has, or already the numbers."""

_MOST_STEPS = 1e9  # of a range
_LONGEST = 40  # characters of a word that are quoted


def is_number(word: str) -> bool:
    """Returns whether a word is one number, in Fortran's way or any other."""
    return _NUMERAL.fullmatch(word) is not None


def is_count(word: str) -> bool:
    """Returns whether a word is a whole number of things of which there can be so many."""
    return re.fullmatch(r"[0-9]{1,9}", word) is not None


def number(word: str, line: int | None = None) -> float:
    """Returns a number; NaN for a word that stands for a missing one.

    Raises:
        PatternError: The word is neither.
    """
    if is_number(word):
        return float(re.sub("[dD]", "e", word))
    if _MISSING.fullmatch(word):
        return math.nan
    raise PatternError(f"{word[:_LONGEST]!r} is no number", "correct or delete it", line)


def numbers(
    words: Words, line_of: Callable[[int], int | None] = lambda _: None
) -> Float64[np.ndarray, " words"]:
    """Returns the numbers of many words; NaN for missing ones.

    Args:
        words: In the order of the file; numbers stay as they are.
        line_of: Returns the number of the line of a word, for the message.

    Raises:
        PatternError: A word is no number.
    """
    if isinstance(words, np.ndarray):
        return words
    values = _plain(words)
    if values is None and "D" in words[0].upper():
        values = _plain(re.sub("[dD]", "e", " ".join(words)).split(" "))
    if values is None:
        found = [number(word, line_of(index)) for index, word in enumerate(words)]
        values = np.array(found, dtype=np.float64)
    return values


def _plain(words: Sequence[str]) -> Float64[np.ndarray, " words"] | None:
    """Returns the numbers of words if all are finite ones in the usual way."""
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        return None
    # NumPy also takes 1_000, and infinity for what does not fit.
    return values if np.isfinite(values).all() and "_" not in "".join(words) else None


def start_step_end(words: Sequence[str]) -> tuple[float, float, float] | None:
    """Returns the first three numbers of a line if they can be a range with its step."""
    if len(words) < 3 or not all(map(is_number, words[:3])):
        return None
    start, step, end = (number(word) for word in words[:3])
    return (start, step, end) if -180 < start < end and 0 < step < end - start else None


def count_of(start: float, step: float, end: float) -> int | None:
    """Returns the number of points of a range; None if it is not a whole number of steps."""
    steps = (end - start) / step
    if not steps < _MOST_STEPS:
        return None
    whole = round(steps)
    return whole + 1 if abs(steps - whole) < 0.2 else None
