"""Conditions of a measurement as numbers, one row per pattern, as the kernels take them."""

import math

import numpy as np

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
