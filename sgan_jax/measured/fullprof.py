"""FullProf's formats of intensities that have a header with the range of 2θ.

They are those of ``INSTRM`` 0, 1, 3, 5, 6 and 8 in the manual of FullProf (J. Rodríguez-Carvajal,
Physica B 192, 55, 1993; appendix on input files), and are named here by these numbers. Format 10
has columns; see `sgan_jax.measured.columns`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.header import source_of
from sgan_jax.measured.limits import MAX_PATTERNS, MAX_POINTS, MIN_POINTS
from sgan_jax.measured.numerals import (
    count_of,
    is_count,
    is_number,
    number,
    numbers,
    start_step_end,
)
from sgan_jax.measured.pattern import PatternError, Scan
from sgan_jax.measured.records import PAIRS, check_rest, counted, fixed, free

_END = ("-1000", "-1000.")  # behind the last count
_END_OF_FILE = ("-10000", "-10000.")
_REMEDY = "export the file again"
_HEADER_LINES = 5
_MOST_COMMENTS = 7  # lines above the header of formats 0 and 1

_Range = tuple[float, float, float]


def read_fullprof(lines: Sequence[str]) -> list[Scan] | None:
    """Reads lines that have the header of one of the formats; returns None for others.

    Raises:
        PatternError: The header is that of a format, and what follows does not fit it.
    """
    readers: tuple[Callable[[Sequence[str]], list[Scan] | None], ...]
    readers = (_read_6, _read_3, _read_5, _read_8, _read_0_or_1)
    for reader in readers:
        scans = reader(lines)
        if scans is not None:
            return scans
    return None


def _words(lines: Sequence[str], index: int) -> list[str]:
    return lines[index].split() if index < len(lines) else []


def _all_numbers(words: Sequence[str]) -> bool:
    return bool(words) and all(map(is_number, words))


def _range_of(line: str) -> _Range | None:
    """Reads start, step and end between blanks, or else from fields of eight characters."""
    found = start_step_end(line.split())
    if found is None or count_of(*found) is None:
        found = start_step_end([line[i : i + 8].strip() for i in (0, 8, 16)])
    return None if found is None or count_of(*found) is None else found


def _points_of(limits: _Range, line: int) -> int:
    if limits[2] >= 180:
        reason = f"a range that ends at {limits[2]:g}: no 2θ, but perhaps a time of flight"
        raise PatternError(reason, "give a constant-wavelength pattern over 2θ in degrees", line)
    count = count_of(*limits)
    if count is None or not MIN_POINTS <= count <= MAX_POINTS:
        reason = f"2θ from {limits[0]:g} to {limits[2]:g}° in steps of {limits[1]:g}°"
        raise PatternError(reason, f"give a range of {MIN_POINTS} to {MAX_POINTS:,} points", line)
    return count


def _of_counters(
    counts: Float64[np.ndarray, " n"], counters: Float64[np.ndarray, " n"], scale: float = 1.0
) -> Float64[np.ndarray, " n"]:
    """Returns the uncertainty of the mean count of so many counters, scaled by a monitor."""
    return np.sqrt(scale * np.maximum(counts, 1) / np.maximum(counters, 1))


def _scan(
    kind: int,
    header: Sequence[str],
    limits: Sequence[float],
    intensity: Float64[np.ndarray, " n"],
    sigma: Float64[np.ndarray, " n"] | None,
) -> Scan:
    """Puts a scan together; the limits begin with the first angle and the step."""
    said = source_of("\n".join(header))
    return Scan(
        format=f"FullProf INSTRM={kind}",
        two_theta=limits[0] + limits[1] * np.arange(len(intensity)),
        intensity=intensity,
        sigma=sigma,
        **said._asdict(),
    )


# ---------------------------------------------------------------- D1A and D2B (6), D1B and D20 (3)


def _read_6(lines: Sequence[str]) -> list[Scan] | None:
    """Reads a title, the step, the start, monitors, and counts up to -1000."""
    step, start, monitors = (_words(lines, index) for index in (1, 2, 3))
    if not (len(step) >= 3 and all(map(_all_numbers, (step, start, monitors)))):
        return None
    if len(start) != 1 or len(monitors) > 6:
        return None
    field = lines[1][16:24].strip()
    width = number(field if is_number(field) else step[2])
    first = number(start[0])
    if not (0 < width < 5 and -180 < first < 180):
        raise PatternError(f"a start of {first:g}° and a step of {width:g}°", "correct them", 2)
    values, place = _until_end(lines, 4, (2, 6))
    check_rest(lines, place, len(values))
    sigma = _of_counters(values[:, 1], values[:, 0], _monitor_scale(numbers(monitors)))
    return [_scan(6, lines[:1], (first, width), values[:, 1], sigma)]


def _monitor_scale(monitors: Float64[np.ndarray, " n"]) -> float:
    """Returns by what counts were multiplied to bring them to another monitor count."""
    if len(monitors) > 1 and monitors[0] > 0 and monitors[1] >= 1:
        return float(monitors[0] / monitors[1])
    return 1.0


def _until_end(
    lines: Sequence[str], first: int, widths: tuple[int, int]
) -> tuple[Float64[np.ndarray, "n 2"], int]:
    """Reads counters and counts up to the line with -1000; returns the next line's index too."""
    end = first
    while end < len(lines) and lines[end].strip() not in _END:
        end += 1
    if end == len(lines):
        raise PatternError("no -1000 behind the last count: the file breaks off", _REMEDY)
    last = len(lines[end - 1].rstrip()) // sum(widths)
    count = PAIRS * (end - first - 1) + last
    if not MIN_POINTS <= count <= MAX_POINTS:
        raise PatternError(f"{count} points", f"give {MIN_POINTS} to {MAX_POINTS:,}", end)
    values = fixed(lines, first, count, widths, PAIRS)
    if values is None:
        sizes = [len(line.rstrip()) for line in lines[first : end - 1]]
        wrong = next((i for i, size in enumerate(sizes) if size != PAIRS * sum(widths)), len(sizes))
        raise PatternError("numbers that are not in their columns", _REMEDY, first + wrong + 1)
    return values, end + 1


def _read_3(lines: Sequence[str]) -> list[Scan] | None:
    """Reads spectra of a position-sensitive detector, several behind one another."""
    scans: list[Scan] = []
    place = 0
    while place < len(lines) and lines[place].strip() not in _END_OF_FILE:
        header = lines[place : place + _HEADER_LINES]
        limits = _header_3(header)
        if limits is None:
            break
        first, step, count = limits
        if len(scans) == MAX_PATTERNS:
            raise PatternError(
                f"more than {MAX_PATTERNS} spectra", "give fewer in one file", place + 1
            )
        values, place = _until_end(lines, place + _HEADER_LINES, (2, 8))
        if len(values) != count:
            reason = f"{len(values)} points where its header gives {count}"
            raise PatternError(reason, _REMEDY, place)
        sigma = _of_counters(values[:, 1], values[:, 0])
        scan = _scan(3, header[:3], (first, step), values[:, 1], sigma)
        scans.append(replace(scan, block=f"spectrum {len(scans) + 1}"))
    if scans:
        check_rest(lines, place, len(scans[-1].two_theta))
    return [replace(scans[0], block="")] if len(scans) == 1 else scans or None


def _header_3(header: Sequence[str]) -> tuple[float, float, int] | None:
    """Reads monitor, start and step from their columns, and the number of points."""
    if len(header) < _HEADER_LINES:
        return None
    line, count = header[3], header[4][:4].strip()
    fields = [line[a:b].strip() for a, b in ((0, 13), (23, 31), (76, 85))]
    if not (_all_numbers(fields) and re.fullmatch(r"\d{2,4}", count)):
        return None
    _, start, step = numbers(fields).tolist()
    return (start, step, int(count)) if 0 < step < 5 else None


# ---------------------------------------------------------------- two axes (5) and DMC (8)


def _read_5(lines: Sequence[str]) -> list[Scan] | None:
    """Reads three titles, the number of points, the range, counts and uncertainties."""
    place = 3
    while place < min(len(lines), _MOST_COMMENTS) and lines[place].lstrip().startswith("!"):
        place += 1
    first, limits = _words(lines, place), start_step_end(_words(lines, place + 1))
    if limits is None or len(_words(lines, place + 1)) != 3 or len(first) < 4:
        return None
    if not (is_count(first[0]) and _all_numbers(first[:4])):
        return None
    count = _points_of(limits, place + 2)
    if count != int(first[0]):
        reason = f"{first[0]} points, but its range has {count}"
        raise PatternError(reason, "correct the header", place + 1)
    has_sigma = number(first[3]) != 0
    intensity, end = _block(lines, place + 2, count)
    sigma = None
    if has_sigma:
        sigma, end = _block(lines, end, count)
    check_rest(lines, end, count)
    return [_scan(5, lines[:3], limits, intensity, sigma)]


def _read_8(lines: Sequence[str]) -> list[Scan] | None:
    """Reads two titles, the range, counts and, if given, their uncertainties."""
    if len(lines) < 4 or _all_numbers(_words(lines, 0)) or _all_numbers(_words(lines, 1)):
        return None
    limits = _range_of(lines[2])
    if limits is None or not _begins_block(lines, 3):
        return None
    count = _points_of(limits, 3)
    intensity, place = _block(lines, 3, count)
    sigma = None
    if _all_numbers(_words(lines, place)):
        sigma, place = _block(lines, place, count)
    check_rest(lines, place, count)
    return [_scan(8, lines[:3], limits, intensity, sigma)]


def _block(lines: Sequence[str], first: int, count: int) -> tuple[Float64[np.ndarray, " n"], int]:
    """Reads numbers between blanks, or of eight characters each where they touch."""
    try:
        return free(lines, first, count, PAIRS - 1)
    except PatternError:
        values = fixed(lines, first, count, (8,), PAIRS)
        if values is None:
            raise
        return values[:, 0], first - (-count // PAIRS)


def _begins_block(lines: Sequence[str], index: int) -> bool:
    """Returns whether a line has intensities only, and the line before is no row of columns."""
    if not _all_numbers(_words(lines, index)):
        return False
    rows = [_words(lines, place) for place in range(index - 1, index + 3)]
    if len({len(row) for row in rows}) > 1 or not all(map(_all_numbers, rows)):
        return True
    steps = np.diff(numbers([row[0] for row in rows]))
    return not ((steps > 0).all() or (steps < 0).all())


# ---------------------------------------------------------------- free (0) and old D1A, D2B (1)


def _read_0_or_1(lines: Sequence[str]) -> list[Scan] | None:
    """Reads start, step and end in the first line, then counts with or without counters."""
    found = _header_0(lines)
    if found is None:
        return None
    place, limits = found
    count = _points_of(limits, place + 1)
    header = lines[: place + 1]
    values = counted(lines, place + 1, count)
    if values is not None and values[:, 0].any():
        check_rest(lines, place + 1 - (-count // PAIRS), count)
        sigma = _of_counters(values[:, 1], values[:, 0])
        return [_scan(1, header, limits, values[:, 1], sigma)]
    intensity, end = free(lines, place + 1, count, PAIRS - 1)
    check_rest(lines, end, count)
    return [_scan(0, header, limits, intensity, None)]


def _header_0(lines: Sequence[str]) -> tuple[int, _Range] | None:
    for index, line in enumerate(lines[: _MOST_COMMENTS + 1]):
        limits = _range_of(line)
        if limits is not None:
            return (index, limits) if _begins_block(lines, index + 1) else None
        if _all_numbers(line.split()):
            return None
    return None
