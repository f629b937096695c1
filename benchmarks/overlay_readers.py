"""Readers of the measured patterns that the pictures are drawn over."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np
from jaxtyping import Float64

from data_gen.errors import InputError

_END = -1000.0  # FullProf's mark behind the last count
_X_TAGS = ("_pd_proc_2theta_corrected", "_pd_meas_2theta_scan", "_pd_meas.2theta_scan")
_Y_TAGS = ("_pd_meas_intensity_total", "_pd_meas.intensity_total", "_pd_meas_counts_total")
_UNCERTAINTY = re.compile(r"([-+]?\d*)(?:\.(\d*))?\((\d+)\)")


class Measurement(NamedTuple):
    """A measured pattern; points without a count are left out.

    Attributes:
        two_theta: In degrees.
        intensity: In counts or in any other unit.
        sigma: Standard uncertainty of the intensity; infinite where it is to have no weight.
    """

    two_theta: Float64[np.ndarray, " points"]
    intensity: Float64[np.ndarray, " points"]
    sigma: Float64[np.ndarray, " points"]


def read_measurement(path: Path) -> Measurement:
    """Reads a pattern in one of five formats, told apart by what is in the file.

    They are pdCIF, GSAS (records STD and ESD), FullProf's free format and that of D1A and D2B, and
    columns of 2θ, intensity and, if given, its uncertainty.

    Raises:
        InputError: It cannot be read, or is of another format.
    """
    try:
        text = path.read_text(errors="replace")
        measured = _read(path, text.splitlines())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: give the path of a pattern") from None
    except (ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"{path}: {error}: not a pattern of a known format") from None
    counted = np.isfinite(measured.intensity) & (measured.sigma > 0)
    return Measurement(*(values[counted] for values in measured))


def _read(path: Path, lines: Sequence[str]) -> Measurement:
    if path.suffix == ".cif":
        return _read_pdcif(path)
    for number, line in enumerate(lines[:20]):
        if line.startswith("BANK"):
            return _read_gsas(line.split(), lines[number + 1 :])
    if len(lines) > 4 and len(lines[1].split()) in (6, 7):
        return _read_d1a(lines)
    return _read_free(lines) if len(lines[1].split()) > 3 else _read_columns(lines)


def _from_counts(
    two_theta: Float64[np.ndarray, " n"],
    counts: Float64[np.ndarray, " n"],
    detectors: Float64[np.ndarray, " n"] | float = 1.0,
) -> Measurement:
    """Adds the uncertainty of counts that are the mean over so many detectors."""
    return Measurement(two_theta, counts, np.sqrt(np.maximum(counts, 1.0) / detectors))


def _fields(lines: Sequence[str], *widths: int) -> Float64[np.ndarray, "n fields"]:
    """Returns numbers from groups of columns of fixed width; empty fields are 0."""
    rows = []
    for line in lines:
        for start in range(0, len(line.rstrip()), sum(widths)):
            row, place = [], start
            for width in widths:
                row.append(float(line[place : place + width].strip() or 0))
                place += width
            rows.append(row)
    return np.array(rows, dtype=np.float64)


def _read_gsas(bank: Sequence[str], lines: Sequence[str]) -> Measurement:
    """Reads ``BANK n points records CONST start step 0 0 [ESD]``, angles in 1/100 degree."""
    points, start, step = int(bank[2]), float(bank[5]) / 100, float(bank[6]) / 100
    two_theta = start + step * np.arange(points)
    if bank[-1] == "ESD":
        values = _fields(lines, 8, 8)[:points]
        return Measurement(two_theta, values[:, 0], values[:, 1])
    values = _fields(lines, 2, 6)[:points]
    return _from_counts(two_theta, values[:, 1], np.maximum(values[:, 0], 1))


def _read_d1a(lines: Sequence[str]) -> Measurement:
    """Reads FullProf's format 6: step and start in the header, then detectors and mean counts."""
    step, start = float(lines[1].split()[2]), float(lines[2])
    end = next(i for i, line in enumerate(lines) if line.strip() == f"{_END:.0f}")
    values = _fields(lines[4:end], 2, 6)
    two_theta = start + step * np.arange(len(values))
    return _from_counts(two_theta, values[:, 1], np.maximum(values[:, 0], 1))


def _read_free(lines: Sequence[str]) -> Measurement:
    """Reads FullProf's format 0: start, step and end in the first line, then counts."""
    start, step, end = (float(lines[0][i : i + 8]) for i in (0, 8, 16))
    points = round((end - start) / step) + 1
    counts = np.array([float(count) for line in lines[1:] for count in line.split()])[:points]
    return _from_counts(start + step * np.arange(points), counts)


def _read_columns(lines: Sequence[str]) -> Measurement:
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    values = np.array([[float(entry) for entry in row[:3]] for row in rows])
    if values.shape[1] == 2:
        return _from_counts(values[:, 0], values[:, 1])
    return Measurement(values[:, 0], values[:, 1], values[:, 2])


def _read_pdcif(path: Path) -> Measurement:
    for block in gemmi.cif.read(str(path)):
        loops = (block.find_values(tag) for tag in _Y_TAGS)
        column = next((list(loop) for loop in loops if len(loop)), None)
        if column is None:
            continue
        values, sigma = np.array([_value_and_uncertainty(text) for text in column]).T
        uncertainties = block.find_values("_pd_meas.intensity_total_su")
        if len(uncertainties):
            sigma = np.array([gemmi.cif.as_number(text) for text in uncertainties])
        return Measurement(_pdcif_angles(block, len(values)), values, sigma)
    raise ValueError("no measured intensities")


def _pdcif_angles(block: gemmi.cif.Block, points: int) -> Float64[np.ndarray, " points"]:
    for tag in _X_TAGS:
        column = block.find_values(tag)
        if len(column) == points:
            return np.array([gemmi.cif.as_number(text) for text in column])
    start = gemmi.cif.as_number(block.find_value("_pd_meas_2theta_range_min"))
    step = gemmi.cif.as_number(block.find_value("_pd_meas_2theta_range_inc"))
    return start + step * np.arange(points)


def _value_and_uncertainty(text: str) -> tuple[float, float]:
    """Returns the numbers of ``5540(160)``; without brackets the uncertainty is that of counts."""
    value = gemmi.cif.as_number(text)
    match = _UNCERTAINTY.fullmatch(text)
    if match is None:
        return value, max(value, 1.0) ** 0.5
    return value, float(match[3]) / 10 ** len(match[2] or "")
