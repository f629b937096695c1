"""GSAS powder data: banks of records STD, ESD, FXYE, FXY and ALT.

The records are described in A. C. Larson and R. B. Von Dreele, GSAS, Los Alamos report LAUR 86-748,
chapter "Powder diffraction data file". Angles are in 1/100 degree, in ALT records in 1/3200 degree.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from sgan_jax.measured.header import Source, source_of
from sgan_jax.measured.limits import MAX_PATTERNS, MAX_POINTS
from sgan_jax.measured.numerals import is_count, is_number, numbers
from sgan_jax.measured.pattern import PatternError, Scan
from sgan_jax.measured.records import PAIRS, check_rest, counted, fixed, free, words_by_column

_BANK = re.compile(r"^[ \t]*BANK[ \t]+\d", re.MULTILINE)
_MOST_APART = 1.0  # degrees: between the first angle of a header and that of its records
_REMEDY = "export the file again"
_TIME_OF_FLIGHT = {"SLOG", "RALF", "TIME_MAP", "LOG6", "LPSD_TOF", "TIME"}
_OTHER_AXES = {
    "EDS": "an energy-dispersive pattern",
    "COND": "a pattern over d",
    "CONQ": "a pattern over Q",
    "LPSD": "a pattern over the channels of a linear detector",
}
_PER_LINE = {"STD": PAIRS, "ESD": 5, "ALT": 4, "FXYE": 1, "FXY": 1}


class _Bank(NamedTuple):
    """The line that begins a bank.

    Attributes:
        name: Number of the bank.
        points: How many there are.
        records: On how many lines; 0 if that is not said.
        start: First angle in degrees.
        step: In degrees.
        kind: Of the records: "STD", "ESD", "FXYE", "FXY" or "ALT".
        place: Index of the line.
    """

    name: str
    points: int
    records: int
    start: float
    step: float
    kind: str
    place: int


def is_gsas(text: str) -> bool:
    """Returns whether a text has a line that begins a bank of GSAS."""
    return "BANK" in text and _BANK.search(text) is not None


def read_gsas(lines: Sequence[str]) -> list[Scan]:
    """Reads all banks.

    Raises:
        PatternError: A bank is not over 2θ, is of an unknown kind or does not fit its header.
    """
    starts = [index for index, line in enumerate(lines) if "BANK" in line and _BANK.match(line)]
    if len(starts) > MAX_PATTERNS:
        raise PatternError(f"more than {MAX_PATTERNS} banks", "give fewer in one file")
    said = source_of("\n".join(lines[: starts[0]]))
    ends = [*starts[1:], len(lines)]
    banks = [_bank(lines[start], start) for start in starts]
    scans = [_scan(bank, lines[:end], said) for bank, end in zip(banks, ends, strict=True)]
    if len(scans) == 1:
        return scans
    return [
        replace(scan, block=f"bank {bank.name}") for scan, bank in zip(scans, banks, strict=True)
    ]


def _bank(line: str, place: int) -> _Bank:
    """Reads ``BANK number points records binning start step … kind``."""
    words = line.split()
    binning = words[4].upper() if len(words) > 4 else ""
    _check_binning(binning, place + 1)
    if len(words) < 7 or not all(map(is_count, words[2:4])):
        raise PatternError("an incomplete BANK line", "complete it", place + 1)
    kinds = [word.upper() for word in words[7:] if not is_number(word)]
    kind = kinds[0] if kinds else "STD"
    if kind not in _PER_LINE:
        known = ", ".join(_PER_LINE)
        raise PatternError(
            f"records of the unknown kind {kind[:8]!r}", f"give one of {known}", place + 1
        )
    points, records = int(words[2]), int(words[3])
    if not 0 < points <= MAX_POINTS:
        remedy = f"give a bank of at most {MAX_POINTS:,} points"
        raise PatternError(f"{points:,} points", remedy, place + 1)
    start, step = (numbers(words[5:7], lambda _: place + 1) / 100).tolist()
    bank = _Bank(words[1], points, records, start, step, kind, place)
    _check_header(bank)
    return bank


def _check_binning(binning: str, line: int) -> None:
    remedy = "give a constant-wavelength pattern in 2θ (CONST)"
    if binning in _TIME_OF_FLIGHT:
        raise PatternError(f"a time-of-flight pattern (GSAS binning {binning})", remedy, line)
    if binning in _OTHER_AXES:
        raise PatternError(f"{_OTHER_AXES[binning]} (GSAS binning {binning})", remedy, line)
    if binning not in ("CONST", "CONS"):
        raise PatternError(f"unknown GSAS binning {binning[:12]!r}", remedy, line)


def _check_header(bank: _Bank) -> None:
    line = bank.place + 1
    needed = -(-bank.points // _PER_LINE[bank.kind])
    if bank.records and abs(bank.records - needed) > 1:
        reason = f"{bank.points} points do not stand on {bank.records} lines of {bank.kind} records"
        raise PatternError(reason, "correct the BANK line", line)
    end = bank.start + bank.step * (bank.points - 1)
    if bank.kind in ("STD", "ESD") and not (bank.step > 0 and end < 180):
        raise PatternError(
            f"2θ from {bank.start:g}° in {bank.points} steps of {bank.step:g}°",
            "give a constant-wavelength pattern; a time-of-flight pattern cannot be used",
            line,
        )


def _scan(bank: _Bank, lines: Sequence[str], said: Source) -> Scan:
    readers = {"STD": _std, "ESD": _esd, "ALT": _alt, "FXYE": _explicit, "FXY": _explicit}
    two_theta, intensity, sigma = readers[bank.kind](bank, _before_map(lines))
    if abs(two_theta[0] - bank.start) > _MOST_APART and bank.start > 0:
        reason = f"the header begins at {bank.start:g}°, its records at {two_theta[0]:g}°"
        raise PatternError(reason, "correct the BANK line", bank.place + 1)
    return Scan(
        format=f"GSAS {bank.kind}",
        two_theta=two_theta,
        intensity=intensity,
        sigma=sigma,
        **said._asdict(),
    )


_Columns = tuple[
    Float64[np.ndarray, " points"],
    Float64[np.ndarray, " points"],
    Float64[np.ndarray, " points"] | None,
]


def _before_map(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and (not kept[-1].strip() or kept[-1].startswith("#")):
        kept.pop()
    return kept


def _angles(bank: _Bank) -> Float64[np.ndarray, " points"]:
    return bank.start + bank.step * np.arange(bank.points)


def _std(bank: _Bank, lines: Sequence[str]) -> _Columns:
    """Reads counts, each with the number of detectors of which it is the mean."""
    values = counted(lines, bank.place + 1, bank.points)
    if values is None:
        counts, place = free(lines, bank.place + 1, bank.points, _PER_LINE["STD"] - 1)
        check_rest(lines, place, bank.points)
        return _angles(bank), counts, None
    _check_rest(bank, lines)
    detectors, counts = values.T
    return _angles(bank), counts, np.sqrt(np.maximum(counts, 1) / np.maximum(detectors, 1))


def _esd(bank: _Bank, lines: Sequence[str]) -> _Columns:
    values = fixed(lines, bank.place + 1, bank.points, (8, 8), _PER_LINE["ESD"])
    if values is None:
        flat, place = free(lines, bank.place + 1, 2 * bank.points, 2 * _PER_LINE["ESD"] - 2)
        check_rest(lines, place, bank.points)
        values = flat.reshape(-1, 2)
    else:
        _check_rest(bank, lines)
    return _angles(bank), values[:, 0], values[:, 1]


def _alt(bank: _Bank, lines: Sequence[str]) -> _Columns:
    values = fixed(lines, bank.place + 1, bank.points, (8, 7, 5), _PER_LINE["ALT"])
    if values is None:
        raise PatternError("ALT records that are not 80 characters long", _REMEDY, bank.place + 2)
    _check_rest(bank, lines)
    return values[:, 0] / 3200, values[:, 1], values[:, 2]


def _explicit(bank: _Bank, lines: Sequence[str]) -> _Columns:
    """Reads lines of an angle, an intensity and, in FXYE, its uncertainty."""
    width = len(bank.kind) - 1
    rows = {
        place: line
        for place, line in enumerate(lines[bank.place + 1 :], bank.place + 2)
        if line.strip() and not line.lstrip().startswith("#")
    }
    # Some beamlines write one point more than they announce.
    if not bank.points <= len(rows) <= bank.points + 1 or not rows:
        reason = f"{len(rows)} records where its BANK line gives {bank.points}"
        raise PatternError(reason, _REMEDY, bank.place + 1)
    words = words_by_column(list(rows.values()))
    if words is None or len(words) != width:
        sizes = {place: len(line.split()) for place, line in rows.items()}
        wrong = next((place for place, size in sizes.items() if size != width), bank.place + 1)
        raise PatternError(f"{bank.kind} records have {width} numbers", "complete the line", wrong)
    places = list(rows)
    columns = [numbers(column, places.__getitem__) for column in words]
    return columns[0] / 100, columns[1], columns[2] if width == 3 else None


def _check_rest(bank: _Bank, lines: Sequence[str]) -> None:
    """Refuses more than one record behind those of the header: some files repeat the last."""
    size = _PER_LINE[bank.kind]
    used = bank.place + 1 - (-bank.points // size)
    check_rest(lines, used + 1, bank.points)
