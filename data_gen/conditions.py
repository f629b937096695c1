"""Conditions of a measurement as numbers, one row per pattern, as the kernels take them."""

import math

import numpy as np

from data_gen.errors import InputError
from data_gen.instrument import LIMITS, Instrument
from data_gen.sample import Sample

CONDITIONS = np.dtype(
    [
        ("wavelength", np.float64),  # Å
        ("wavelength_2", np.float64),  # Å; 0: there is only one
        ("ratio_2", np.float64),  # intensity of the second to that of the first
        ("monochromator", np.float64),  # cos² of its 2θ; 1: none; negative: neutrons
        ("u", np.float64),  # Caglioti, degrees²
        ("v", np.float64),
        ("w", np.float64),
        ("eta", np.float64),  # Lorentz share
        ("x", np.float64),  # Lorentz width ∝ tanθ, degrees
        ("y", np.float64),  # Lorentz width ∝ 1/cosθ, degrees
        ("s_l", np.float64),  # half height of the sample over the distance to the detector
        ("h_l", np.float64),  # half height of the detector over the same distance
        ("march", np.float64),  # March coefficient; 1: no preferred orientation
        ("axis_h", np.float64),  # preferred direction
        ("axis_k", np.float64),
        ("axis_l", np.float64),
        ("displacements", np.bool_),  # whether atoms move
        ("two_theta_min", np.float64),  # of reflections, degrees; patterns: see `reaching_in`
        ("two_theta_max", np.float64),
    ],
    align=True,
)
"""Row of conditions, named as in `data_gen.instrument.Instrument` and `data_gen.sample.Sample`."""

_LIMITS = {
    **LIMITS,
    "wavelength_2": (0, 20),
    "monochromator": (-1, 1),
    **dict.fromkeys(("u", "v", "w"), (-1e3, 1e3)),
    "march": (0.05, 20),
    **dict.fromkeys(("axis_h", "axis_k", "axis_l"), (-1e3, 1e3)),
    **dict.fromkeys(("two_theta_min", "two_theta_max"), (1e-3, 179.9999)),
}
_REACH_IN = 3.0  # widths: peaks within this distance outside the grid are drawn for their tails
_LARGEST_TWO_THETA = 179.0  # beyond, the Lorentz factor grows without bound
_SCHERRER = 0.9  # shape factor K
_DEGREE = 180 / math.pi


def conditions(instrument: Instrument, sample: Sample, count: int = 1) -> np.ndarray:
    """Returns rows of `CONDITIONS`, all alike; any of their fields may then be changed.

    Args:
        instrument: Wavelength, range and resolution.
        sample: What the sample does to the pattern.
        count: Number of rows.
    """
    ends = (instrument.two_theta_min, instrument.two_theta_max)
    rows = powder_conditions(instrument.radiation, instrument.wavelength, ends, sample, count)
    if instrument.radiation == "xray":
        rows["monochromator"] = math.cos(math.radians(instrument.monochromator_two_theta)) ** 2
    for name in ("wavelength_2", "ratio_2", "u", "v", "w", "eta", "s_l", "h_l"):
        rows[name] = getattr(instrument, name)
    # A width Δd/d makes 2 tanθ Δd/d of 2θ; Scherrer's equation is K λ / (size cosθ).
    rows["x"] = instrument.x + 2 * sample.strain * _DEGREE
    rows["y"] = instrument.y
    if sample.size is not None:
        rows["y"] += _SCHERRER * instrument.wavelength / (10 * sample.size) * _DEGREE
    return rows


def reaching_in(rows: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns rows whose range of reflections is that of which something is seen on a grid.

    Peaks within three widths outside the grid, or outside a row's own range where that is
    narrower, are drawn for their tails.

    Args:
        rows: Conditions.
        low: First point of the grid in degrees.
        high: Last point of the grid in degrees.
    """
    rows = rows.copy()
    lows, highs = np.maximum(rows["two_theta_min"], low), np.minimum(rows["two_theta_max"], high)
    first, last = lows - _REACH_IN * _widths(rows, lows), highs + _REACH_IN * _widths(rows, highs)
    rows["two_theta_min"] = np.maximum(first, lows / 2)
    rows["two_theta_max"] = np.maximum(np.minimum(last, _LARGEST_TWO_THETA), highs)
    return rows


def _widths(rows: np.ndarray, two_theta: np.ndarray) -> np.ndarray:
    """Returns no less than the full width at half maximum of a peak, in degrees."""
    theta = np.radians(two_theta / 2)
    tangent = np.tan(theta)
    caglioti = np.sqrt(np.maximum((rows["u"] * tangent + rows["v"]) * tangent + rows["w"], 0.0))
    return caglioti + rows["x"] * tangent + rows["y"] / np.cos(theta)


def check_conditions(rows: np.ndarray) -> str:
    """Refuses rows that no measurement has: the kernels take them as they are.

    Returns:
        The radiation of all rows, ``"neutron"`` or ``"xray"``.

    Raises:
        InputError: A value is impossible; the first such field and row are named.
    """
    for name, (low, high) in _LIMITS.items():
        within = (rows[name] >= low) & (rows[name] <= high)
        _require(within, rows, name, f"a number from {low:g} to {high:g}")
    ascending = rows["two_theta_min"] < rows["two_theta_max"]
    _require(ascending, rows, "two_theta_max", "more than two_theta_min")
    direction = np.abs(rows["axis_h"]) + np.abs(rows["axis_k"]) + np.abs(rows["axis_l"])
    _require((rows["march"] == 1) | (direction > 0), rows, "axis_l", "a direction that is not zero")
    neutrons = rows["monochromator"] < 0
    _require(neutrons == neutrons[:1], rows, "monochromator", "the radiation of the first row")
    return "neutron" if neutrons.all() else "xray"


def _require(good: np.ndarray, rows: np.ndarray, name: str, what: str) -> None:
    if not good.all():
        row = int((~good).argmax())
        value = rows[name][row]
        raise InputError(f"{name} of conditions {row} is {value}: give {what}")


def powder_conditions(
    radiation: str,
    wavelength: float,
    two_theta_range: tuple[float, float],
    sample: Sample,
    count: int = 1,
) -> np.ndarray:
    """Returns rows of `CONDITIONS` for stick lists, which have no profile."""
    rows = np.zeros(count, CONDITIONS)
    rows["wavelength"] = wavelength
    rows["monochromator"] = -1.0 if radiation == "neutron" else 1.0
    rows["two_theta_min"], rows["two_theta_max"] = two_theta_range
    rows["displacements"] = sample.displacements
    rows["march"] = 1.0
    if sample.preferred_orientation is not None:
        axis, rows["march"] = sample.preferred_orientation
        rows["axis_h"], rows["axis_k"], rows["axis_l"] = axis
    return rows
