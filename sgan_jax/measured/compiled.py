"""What takes longest in many files, compiled: for one file compiling would take longer than all.

Both functions give what the plain ones give, to the last bit.
"""

import numpy as np
from jaxtyping import Float64, UInt8

from data_gen.kernels.compiled import kernel, stamp_whole_folder

stamp_whole_folder(__file__)

_BLANK, _TAB, _RETURN, _NEWLINE = 32, 9, 13, 10
_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57
_MOST_DIGITS = 15
"""Whole numbers of so many digits, and powers of ten up to 22, are exact in float64: so is, but for
the rounding of one division, their quotient (W. D. Clinger, PLDI (1990) 92)."""
_POWERS = np.array([10.0**power for power in range(23)])


def table_of(text: str, width: int) -> Float64[np.ndarray, "rows columns"] | None:
    """Numbers of lines that hold nothing else.

    Args:
        text: Lines, each with its end.
        width: Numbers in each.

    Returns:
        The numbers; None where a line has another width, or anything but blanks and decimal
        numbers of up to 15 digits without exponent.
    """
    try:
        content = np.frombuffer(text.encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        return None
    values = np.empty((text.count("\n"), width))
    return values if _parse(content, _POWERS, values) else None


@kernel
def _parse(
    content: UInt8[np.ndarray, " bytes"],
    powers: Float64[np.ndarray, " powers"],
    values: Float64[np.ndarray, "rows columns"],
) -> bool:
    """Fills the table; returns whether it is what the lines hold."""
    rows, width = values.shape
    i, row, column = 0, 0, 0
    while i < len(content):
        if content[i] == _NEWLINE:
            if column != width:
                return False
            row, column, i = row + 1, 0, i + 1
        elif content[i] in (_BLANK, _TAB, _RETURN):
            i += 1
        else:
            if column == width or row == rows:
                return False
            values[row, column], i = _number(content, i, powers)
            if i < 0:
                return False
            column += 1
    return row == rows and column == 0


@kernel
def _number(
    content: UInt8[np.ndarray, " bytes"], i: int, powers: Float64[np.ndarray, " powers"]
) -> tuple[float, int]:
    """The number that begins at a place, and where it ends; -1 if it is no plain one."""
    negative = content[i] == _MINUS
    if negative or content[i] == _PLUS:
        i += 1
    start, point, digits, whole = i, -1, 0, 0
    while i < len(content) and content[i] not in (_BLANK, _TAB, _RETURN, _NEWLINE):
        c = content[i]
        if _ZERO <= c <= _NINE and digits < _MOST_DIGITS:
            whole = 10 * whole + (c - _ZERO)
            digits += whole > 0
        elif c == _POINT and point < 0:
            point = i
        else:
            return 0.0, -1
        i += 1
    decimals = i - point - 1 if point >= 0 else 0
    if i - start == (point >= 0) or decimals >= len(powers):
        return 0.0, -1
    value = whole / powers[decimals]
    return (-value if negative else value), i


@kernel
def clip(
    low: Float64[np.ndarray, " points"], other: Float64[np.ndarray, " points"], widest: int
) -> None:
    """As the peak clipping of `sgan_jax.preparation.background`.

    Args:
        low: Is lowered.
        other: As long; its content does not matter.
        widest: The first distance.
    """
    for window in range(widest, 0, -1):
        before, here, after = low[: len(low) - 2 * window], low[window:], low[2 * window :]
        middle = other[: len(before)]
        for i in range(len(middle)):
            middle[i] = min(here[i], (before[i] + after[i]) * 0.5)
        low[window : window + len(middle)] = middle
