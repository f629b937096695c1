"""Columns of 2θ, intensity and, if given, its uncertainty: xy, xye, csv, dat and alike.

FullProf's format 10 is among them: its header may give factors for both columns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.header import TWO_THETA, check_axis, is_in_centidegrees, source_of
from sgan_jax.measured.limits import MAX_LINE
from sgan_jax.measured.numerals import Words, is_number, numbers
from sgan_jax.measured.pattern import PatternError, Scan
from sgan_jax.measured.records import words_by_column

_COMMENT = "#!/';%*&\""  # a line that begins with one of them is a comment, or names columns
_LONGEST_HEADER = 2_000  # lines
_SAMPLE = 10  # lines that show how columns and decimals are separated
_REMEDY = "give lines of 2θ, intensity and, if known, its uncertainty"
_INTENSITY = re.compile(r"int|count|cts|obs|meas|^\W*[iy]\b", re.IGNORECASE)
_UNCERTAINTY = re.compile(
    r"sig|err|fehl|esd|e\.s\.d|unc|std|^\W*(?:s\.?u|e|d[iy])\b", re.IGNORECASE
)
_NOT_MEASURED = re.compile(r"calc|back|bkg|bgr|diff|weight", re.IGNORECASE)
_ANGLE = re.compile(rf"{TWO_THETA.pattern}|angle", re.IGNORECASE)


@dataclass(frozen=True)
class _Table:
    """Words of the lines with numbers.

    Attributes:
        columns: Words of each column, or its numbers.
        lines: Number of each line.
    """

    columns: Sequence[Words]
    lines: Sequence[int]


@dataclass(frozen=True)
class _Roles:
    """Which column is what.

    Attributes:
        angle: Index of the column of 2θ.
        intensity: That of the intensity.
        sigma: That of its uncertainty, or None.
        notes: What was assumed.
    """

    angle: int = 0
    intensity: int = 1
    sigma: int | None = None
    notes: tuple[str, ...] = ()


def read_columns(lines: Sequence[str], suffix: str = "", many: bool = False) -> Scan:
    """Reads columns of numbers under any titles and comments.

    Args:
        lines: Of the file.
        suffix: Of its name: ``.fxye`` has its angles in 1/100 degree.
        many: See `sgan_jax.measured.read_pattern`.

    Raises:
        PatternError: There are no such columns, or a line differs from the others.
    """
    first = _first_row(lines)
    header = "\n".join(lines[:first])
    table = (_plain_table(lines, first) if many else None) or _table(lines, first)
    labels = _labels(lines[:first], len(table.columns))
    roles = _roles(labels, len(table.columns))
    check_axis(header, labels[roles.angle] if _named(labels, _INTENSITY) else "")
    return _scan(table, roles, header, suffix)


def _scan(table: _Table, roles: _Roles, header: str, suffix: str) -> Scan:
    two_theta = numbers(table.columns[roles.angle], table.lines.__getitem__)
    intensity = numbers(table.columns[roles.intensity], table.lines.__getitem__)
    sigma = None
    if roles.sigma is not None:
        sigma = numbers(table.columns[roles.sigma], table.lines.__getitem__)
    notes = roles.notes
    if sigma is not None and len(table.columns) == 3 and (sigma < 0).any():
        sigma, notes = None, (*notes, "The third column has negative numbers and was not used.")
    if suffix == ".fxye" or is_in_centidegrees(header):
        two_theta, note = _of_centidegrees(two_theta)
        notes = (*notes, note)
    factor_x, factor_y = _factors(header)
    if (factor_x, factor_y) != (1, 1):
        note = f"The header multiplies angles by {factor_x:g} and intensities by {factor_y:g}."
        with np.errstate(over="ignore"):  # what is too large is refused later
            two_theta, intensity = two_theta * factor_x, intensity * factor_y
            sigma = None if sigma is None else sigma * factor_y
        notes = (*notes, note)
    said = source_of(header)
    return Scan(
        format="columns",
        two_theta=two_theta,
        intensity=intensity,
        sigma=sigma,
        lines=table.lines,
        **said._replace(notes=(*notes, *said.notes))._asdict(),
    )


def _of_centidegrees(values: Float64[np.ndarray, " n"]) -> tuple[Float64[np.ndarray, " n"], str]:
    """Returns angles in degrees; no pattern ends below 1.8°, so that such values are degrees."""
    if values.max() < 180:
        return values, "The file is said to be in 1/100 degree, but its angles are degrees."
    return values / 100, "Angles were taken as 1/100 degree."


def _factors(header: str) -> tuple[float, float]:
    """Returns what ``INTER x y …`` under FullProf's ``XYDATA`` multiplies the columns by."""
    if not header.lstrip().startswith("XYDATA"):
        return 1.0, 1.0
    for line in header.split("\n"):
        words = line.split()
        if words[:1] == ["INTER"] and len(words) > 2:
            x, y = numbers(words[1:3]).tolist()
            if not (x > 0 and y > 0):
                raise PatternError(f"{line.strip()!r} has no positive factors", "correct the line")
            return x, y
    return 1.0, 1.0


# ---------------------------------------------------------------- rows


def _first_row(lines: Sequence[str]) -> int:
    for index, line in enumerate(lines[:_LONGEST_HEADER]):
        if _is_row(line):
            return index
    raise PatternError("no columns of numbers were found", _REMEDY)


def _is_row(line: str) -> bool:
    line = line.strip()
    if not line or (line[0] in _COMMENT and line[0] != '"') or len(line) > MAX_LINE:
        return False
    words = re.split(r"[\s,;]+", _before_comment(line).replace('"', ""))
    return len(words) > 1 and is_number(words[0]) and all(map(_is_cell, words[1:3]))


def _is_cell(word: str) -> bool:
    return is_number(word) or word in ("", "?", "nan", "NaN")


def _plain_table(lines: Sequence[str], first: int) -> _Table | None:
    """Reads the lines from the first with numbers on, if there are plain numbers only."""
    from sgan_jax.measured.compiled import table_of  # only here: slow to import

    values = table_of("\n".join([*lines[first:], ""]), len(lines[first].split()))
    if values is None:
        return None
    return _Table(list(np.ascontiguousarray(values.T)), range(first + 1, len(lines) + 1))


def _table(lines: Sequence[str], first: int) -> _Table:
    """Splits the lines from the first with numbers on.

    All at once where every line has as many words; one after the other where there are comments
    or blank lines between them, or where a line has to be named.
    """
    separate = _separator([line for line in lines[first : first + _SAMPLE] if _is_row(line)])
    columns = words_by_column(lines[first:], separate)
    if columns is not None and _are_plain(columns):
        return _Table(columns, range(first + 1, len(lines) + 1))
    return _table_by_line(lines, first, separate)


def _are_plain(columns: Sequence[Sequence[str]]) -> bool:
    """Returns whether no line is a comment, and the first has none behind its numbers."""
    words = [*columns[0], *(column[0] for column in columns)]
    return set(_COMMENT).isdisjoint("".join(words))


def _table_by_line(lines: Sequence[str], first: int, separate: "_Separator") -> _Table:
    rows, places = [], []
    for place, line in enumerate(lines[first:], first + 1):
        stripped = line.strip()
        if not stripped or (stripped[0] in _COMMENT and not _is_row(stripped)):
            continue
        words = separate(_before_comment(stripped)).split()
        if rows and len(words) != len(rows[0]):
            reason = f"{len(words)} words where the lines before have {len(rows[0])}"
            raise PatternError(reason, "complete the line or delete it", place)
        rows.append(words)
        places.append(place)
    return _Table(list(zip(*rows, strict=True)), places)


def _before_comment(line: str) -> str:
    return re.split(r"\s[#!]", line, maxsplit=1)[0]


# ---------------------------------------------------------------- separators


class _Separator:
    """Puts blanks between columns, and points into decimals.

    Args:
        separator: Character between columns, beside blanks; empty if there is none.
        decimal: Character in numbers.
    """

    def __init__(self, separator: str, decimal: str) -> None:
        self._separator = separator
        self._decimal = decimal

    def __call__(self, text: str) -> str:
        """Returns text with blanks between columns."""
        text = text.replace('"', "")
        if self._separator:
            # Two separators in a row enclose a missing value.
            empty = f"{self._separator}?{self._separator}"
            while self._separator * 2 in text:
                text = text.replace(self._separator * 2, empty)
            text = text.replace(self._separator, " ")
        return text.replace(",", ".") if self._decimal == "," else text


def _separator(sample: Sequence[str]) -> _Separator:
    """Tells from the first rows what stands between columns, and what in decimals.

    Raises:
        PatternError: Commas can be either.
    """
    text = "\n".join(sample).replace('"', "")
    comma_within = re.search(r"\d,\d", text) is not None
    point = "." in text
    if ";" in text:
        return _Separator(";", "," if "," in text and not point else ".")
    if "," not in text:
        return _Separator("", ".")
    between = all(re.search(r"[^\s,]\s+[^\s,]", line.strip()) for line in sample)
    if between and comma_within and point:
        raise PatternError("commas within numbers that have points too", "leave the commas out")
    if between and comma_within:
        return _Separator("", ",")
    if not point and max(line.count(",") for line in sample) > 2:
        raise PatternError(
            "commas that can separate columns or decimals", "separate columns by blanks"
        )
    return _Separator(",", ".")


# ---------------------------------------------------------------- names of columns


def _labels(header: Sequence[str], count: int) -> list[str]:
    """Returns the names of the columns if the last line of the header gives one for each.

    FIT2D's header has a title, the two names and the number of points, each on its line.
    """
    if len(header) == 4 and header[3].strip().isdecimal() and count == 2:
        return [header[1].strip(), header[2].strip()]
    for line in reversed(header[-3:]):
        line = line.strip().lstrip(_COMMENT).strip()
        for separator in (r"\s*[,;]\s*", r"\t+", r"\s{2,}", r"\s+"):
            labels = [label.strip().strip('"') for label in re.split(separator, line)]
            if len(labels) == count and not any(map(is_number, labels)):
                return labels
    return []


def _roles(labels: Sequence[str], count: int) -> _Roles:
    if count < 2:
        raise PatternError("one column only", _REMEDY)
    angle = _named(labels, _ANGLE)
    intensities = [i for i in _named(labels, _INTENSITY) if i not in angle]
    if angle and intensities:
        sigma = [i for i in _named(labels, _UNCERTAINTY) if i not in angle]
        # A name such as "sigma(counts)" also names an intensity.
        chosen = next((i for i in intensities if i not in sigma), intensities[0])
        return _Roles(angle[0], chosen, next((i for i in sigma if i != chosen), None))
    if count > 3:
        return _Roles(notes=("Columns after the second have no known names and were not used.",))
    if labels and count == 3 and _NOT_MEASURED.search(labels[2]):
        return _Roles(notes=(f"The column {labels[2]!r} was not used.",))
    return _Roles(sigma=2 if count == 3 else None)


def _named(labels: Sequence[str], expression: re.Pattern[str]) -> list[int]:
    return [
        index
        for index, label in enumerate(labels)
        if expression.search(label) and not _NOT_MEASURED.search(label)
    ]
