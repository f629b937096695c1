"""Conditions of a measurement as numbers, one row per pattern, as the kernels take them."""

import math

import numpy as np

from data_gen.errors import InputError
from data_gen.instrument import Instrument
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
        ("two_theta_min", np.float64),  # of reflections, degrees
        ("two_theta_max", np.float64),
    ],
    align=True,
)
"""Row of conditions, named as in `data_gen.instrument.Instrument` and `data_gen.sample.Sample`."""

_LIMITS = (
    ("wavelength", 0.05, 20),
    ("wavelength_2", 0, 20),
    ("ratio_2", 0, 1),
    ("monochromator", -1, 1),
    ("u", -1e3, 1e3),
    ("v", -1e3, 1e3),
    ("w", -1e3, 1e3),
    ("eta", 0, 1),
    ("x", 0, 1e3),
    ("y", 0, 1e3),
    ("s_l", 0, 0.2),
    ("h_l", 0, 0.2),
    ("march", 0.05, 20),
    ("axis_h", -1e3, 1e3),
    ("axis_k", -1e3, 1e3),
    ("axis_l", -1e3, 1e3),
    ("two_theta_min", 1e-3, 180),
    ("two_theta_max", 1e-3, 179.9999),
)
_SCHERRER = 0.9  # shape factor K
_DEGREE = 180 / math.pi


def conditions(instrument: Instrument, sample: Sample, count: int = 1) -> np.ndarray:
    """Returns rows of `CONDITIONS`, all alike; any of their fields may then be changed.

    Args:
        instrument: Wavelength, range and resolution.
        sample: What the sample does to the pattern.
        count: Number of rows.
    """
    low, high = instrument.reflection_range
    rows = powder_conditions(
        instrument.radiation, instrument.wavelength, (low, high), sample, count
    )
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


def check_conditions(rows: np.ndarray) -> None:
    """Refuses rows that no measurement has: the kernels take them as they are.

    Raises:
        InputError: A value is impossible; the first such field and row are named.
    """
    for name, low, high in _LIMITS:
        wrong = ~((rows[name] >= low) & (rows[name] <= high))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{name} of conditions {row} is {rows[name][row]}: give a number from {low:g} to "
                f"{high:g}"
            )
    if not np.all(rows["two_theta_min"] < rows["two_theta_max"]):
        raise InputError("two_theta_min of conditions: give less than two_theta_max")


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
