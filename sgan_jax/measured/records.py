"""Records of fixed columns, as Fortran programs write them."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.numerals import number, numbers
from sgan_jax.measured.pattern import PatternError

PAIRS = 10
"""How many pairs of counters and counts a full record has."""

_REMEDY = "export the file again"
_END = "|"  # stands for the end of a line while the words of all lines are split at once


def words_by_column(
    lines: Sequence[str], separate: Callable[[str], str] | None = None
) -> list[list[str]] | None:
    """Splits lines into words all at once.

    Args:
        lines: At least one.
        separate: Puts blanks between words that are separated otherwise.

    Returns:
        The words of each column; None if not every line has as many words as the first.
    """
    text = f" {_END} ".join(lines)
    words = (text if separate is None else separate(text)).split()
    words.append(_END)
    width = words.index(_END) + 1
    if len(words) != len(lines) * width or words[width - 1 :: width] != [_END] * len(lines):
        return None
    return [words[index::width] for index in range(width - 1)]


def fixed(
    lines: Sequence[str], first: int, count: int, widths: Sequence[int], groups: int
) -> Float64[np.ndarray, "count fields"] | None:
    """Reads numbers that stand in columns of fixed width.

    Args:
        lines: Of the whole file.
        first: Index of the first line with numbers.
        count: How many groups of fields are read.
        widths: Characters of each field of a group; a blank field but the last is 0.
        groups: How many groups a full line has.

    Returns:
        One row per group; None if lines are not of that form: too long, ending within a group, or
        with a field that does not reach its right end, as they do when a character has got lost.

    Raises:
        PatternError: A field is no number, or there are too few.
    """
    size = sum(widths)
    records = -(-count // groups)
    body = [line.rstrip() for line in lines[first : first + records]]
    rest = count - groups * (records - 1)
    if len(body) < records or not body[-1]:
        raise PatternError(f"fewer than the {count} points that its header gives", _REMEDY)
    lengths = [len(line) for line in body]
    if lengths[:-1] != [size * groups] * (records - 1) or lengths[-1] % size:
        return None
    if not size * rest <= lengths[-1] <= size * groups:
        return None
    text = "".join(body)[: count * size]
    if not text.isascii():
        raise PatternError("characters that belong into no number", _REMEDY, first + 1)
    table = np.frombuffer(text.encode(), dtype=[(str(i), f"S{w}") for i, w in enumerate(widths)])
    letters = np.frombuffer(text.encode(), dtype="S1").reshape(-1, size)
    columns = []
    for index, end in enumerate(np.cumsum(widths)):
        words = np.char.strip(table[str(index)])
        if ((letters[:, end - 1] == b" ") & (words != b"")).any():
            return None
        is_last = index == len(widths) - 1
        words = words if is_last else np.where(words == b"", b"0", words)
        columns.append(_numbers(words, first, groups))
    return np.stack(columns, axis=1)


def _numbers(words: np.ndarray, first: int, groups: int) -> Float64[np.ndarray, " words"]:
    texts = words.astype(str).tolist()
    return numbers(texts, lambda index: first + 1 + index // groups)


def counted(lines: Sequence[str], first: int, count: int) -> Float64[np.ndarray, "count 2"] | None:
    """Reads records of ten pairs: the number of counters, and their mean count.

    Returns:
        Counters and counts, 0 for the counters if the lines have counts alone; None if the lines
        are not of that form.

    Raises:
        PatternError: It cannot be told which, or what stands there is no number.
    """
    values = fixed(lines, first, count, (2, 6), PAIRS)
    if values is None or not values[:, 0].any():
        return values
    words = sum(len(line.split()) for line in lines[first : first - (-count // PAIRS)])
    if words > count + PAIRS - 1:
        return values
    if values[:, 0].all():
        remedy = "write counts with a blank before each"
        raise PatternError("counters and counts that touch in every column", remedy, first + 1)
    # Counts of more than six digits reach into the columns of the counters.
    counts = fixed(lines, first, count, (8,), PAIRS)
    return None if counts is None else np.pad(counts, ((0, 0), (1, 0)))


def free(
    lines: Sequence[str], first: int, count: int, most_spare: int
) -> tuple[Float64[np.ndarray, " count"], int]:
    """Reads numbers between blanks.

    Args:
        lines: Of the whole file.
        first: Index of the first line with numbers.
        count: How many there are to be.
        most_spare: How many more may stand in the last line that is needed, to fill it.

    Returns:
        The numbers, and the index of the first line behind them.

    Raises:
        PatternError: There are fewer numbers, or more in the last line.
    """
    words: list[str] = []
    places: list[int] = []
    place = first
    while len(words) < count:
        if place >= len(lines):
            reason = f"{len(words)} numbers where its header gives {count}"
            raise PatternError(reason, _REMEDY)
        new = lines[place].split()
        words += new
        place += 1
        places += [place] * len(new)
    if len(words) > count:
        _check_filled(lines, first, place)
    if len(words) > count + most_spare:
        raise PatternError(f"more numbers than the {count} that its header gives", _REMEDY, place)
    return numbers(words[:count], places.__getitem__), place


def _check_filled(lines: Sequence[str], first: int, end: int) -> None:
    """Refuses a line shorter or longer than the others: a number was lost or split there."""
    sizes = [len(line.split()) for line in lines[first:end]]
    for index, size in enumerate(sizes):
        if size != sizes[0] and (index < len(sizes) - 1 or size > sizes[0]):
            reason = f"{size} numbers where the lines before have {sizes[0]}"
            raise PatternError(reason, _REMEDY, first + index + 1)


def check_rest(lines: Sequence[str], place: int, count: int) -> None:
    """Refuses lines with numbers behind the last that the header announces.

    Raises:
        PatternError: There is such a line.
    """
    for index, line in enumerate(lines[place:], place):
        words = line.split()
        if words and any(_is_nonzero(word) for word in words):
            reason = f"more than the {count} numbers that its header gives"
            raise PatternError(reason, _REMEDY, index + 1)


def _is_nonzero(word: str) -> bool:
    try:
        return number(word) not in (0, -1000, -10000)
    except PatternError:
        return False
