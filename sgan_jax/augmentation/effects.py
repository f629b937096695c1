"""What is drawn for every simulated measurement: instrument, sample, counting, and mishaps.

Ranges follow the instruments of `data_gen.instrument`, whose widths fit measured patterns within
factors of 0.6 to 1.7, and what is usual at constant-wavelength neutron diffractometers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.conditions import conditions
from data_gen.instrument import DEFAULT_INSTRUMENT, INSTRUMENTS, Instrument
from data_gen.sample import IDEAL
from sgan_jax.augmentation.compiled import KNOTS, MEASUREMENT, STRAY_PEAKS
from sgan_jax.grids import GRIDS
from sgan_jax.preparation import CLIPPED, FIRST, LENGTH, SMOOTHED, STEP

TRAINED_INSTRUMENTS = tuple(i for i in INSTRUMENTS.values() if i.radiation == "neutron")

WAVELENGTHS = (1.15, 2.60)
"""Between which they are drawn, in Å."""

UNSEEN_WAVELENGTHS = (1.36, 1.70, 2.20)
"""In Å; nothing within 3 % of them is drawn in training, so that tests can have them."""

MOST_SPECIES = 128
"""That the crystals of a data set may have in all."""

NOISE_NUMBERS = 1 << 22
"""Normally distributed numbers of which every pattern takes a stretch."""

_LARGEST_INVERSE_D = max(float(grid.edges[-1]) for grid in GRIDS.values())
_LARGEST_SHIFT = 0.6  # degrees
_DEGREES = 180 / math.pi
_SIGMA = 1 / math.sqrt(8 * math.log(2))  # of a Gauss function over its full width at half maximum
_AXES = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (1, 1, 1)])


@dataclass(frozen=True)
class Effects:
    """Which of the effects are drawn; one that is not is what it is in an ideal measurement.

    Attributes:
        instrument: Wavelength, widths, mixing, asymmetry; else those of the paper's instrument.
        shift: Zero point and displacement of the sample.
        counting: Noise of counts, and the step at which they are taken.
        background: Its level and shape.
        broadening: Size and strain of the crystallites.
        preferred_orientation: Of the crystallites.
        thermal_motion: An overall B, and smooth errors of intensities, as by absorption.
        range: Where measurements begin and end.
        impurity: A second phase.
        lattice: Cells up to 2 % larger or smaller.
        elements: Other elements on the sites, as in another compound of the same structure.
        stray_peaks: Up to four peaks that belong to no lattice, as of magnetic order.
    """

    instrument: bool = True
    shift: bool = True
    counting: bool = True
    background: bool = True
    broadening: bool = True
    preferred_orientation: bool = True
    thermal_motion: bool = True
    range: bool = True
    impurity: bool = True
    lattice: bool = True
    elements: bool = True
    stray_peaks: bool = True


EFFECTS = tuple(field.name for field in fields(Effects))
"""Names of the effects, in the order in which they are drawn."""

ALL = Effects()
EVALUATED = Effects(elements=False)
"""All that a measurement does; evaluation is of crystals as they are."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What is drawn for some patterns, one row each.

    Attributes:
        conditions: Rows of `data_gen.conditions.CONDITIONS`.
        measurements: Rows of `compiled.MEASUREMENT`.
        cell_factors: By which the six numbers of each cell are multiplied.
        exchange: Numbers whose order is that in which the species of the table stand for one
            another.
        impurity: In [0, 1): which crystal is the second phase; negative: none.
        noise_from: Where the noise of each begins.
    """

    conditions: np.ndarray
    measurements: np.ndarray
    cell_factors: Float64[np.ndarray, "n 6"]
    exchange: Float64[np.ndarray, "n species"]
    impurity: Float64[np.ndarray, " n"]
    noise_from: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.conditions)

    def __getitem__(self, rows: slice | Int64[np.ndarray, " m"]) -> "Draws":
        return Draws(*(getattr(self, field.name)[rows] for field in fields(self)))

    def copy(self) -> "Draws":
        """The same numbers in arrays of their own."""
        return Draws(*(getattr(self, field.name).copy() for field in fields(self)))


def draw(
    rng: np.random.Generator,
    count: int,
    effects: Effects = EVALUATED,
    instruments: Sequence[Instrument] | None = None,
) -> Draws:
    """Draws measurements.

    As many numbers are taken from `rng` whatever the effects, so that patterns with and without
    one of them are otherwise alike.

    Args:
        rng: Source of randomness.
        count: Number of measurements.
        effects: Which effects there are.
        instruments: Whose wavelengths and widths are varied; without them, those of training, and
            for half of the patterns any other wavelength.
    """
    drawn = _ideal(rng, count)
    for name in EFFECTS:
        receives = drawn if getattr(effects, name) else drawn.copy()
        if name == "instrument":
            _draw_instrument(rng, receives, instruments)
        else:
            _STEPS[name](rng, receives)
    _limit_reflections(drawn)
    return drawn


def _ideal(rng: np.random.Generator, count: int) -> Draws:
    """The paper's instrument, without noise."""
    paper = INSTRUMENTS[DEFAULT_INSTRUMENT]
    made = np.zeros(count, MEASUREMENT)
    made["wavelength"] = paper.wavelength
    made["first"], made["end"] = _points(paper.two_theta_min), _points(paper.two_theta_max) + 1
    made["stride"], made["overdispersion"], made["envelope"] = 1, 1.0, 1.0
    return Draws(
        conditions=conditions(paper, IDEAL, count),
        measurements=made,
        cell_factors=np.ones((count, 6)),
        exchange=np.tile(np.arange(MOST_SPECIES, dtype=np.float64), (count, 1)),
        impurity=np.full(count, -1.0),
        noise_from=rng.integers(NOISE_NUMBERS - LENGTH, size=count),
    )


def _points(angles: Any) -> Any:  # noqa: ANN401 - numbers or arrays of them
    """Points of the working grid by their 2θ in degrees."""
    return np.rint((angles - FIRST) / STEP)


def _draw_instrument(
    rng: np.random.Generator, drawn: Draws, only: Sequence[Instrument] | None
) -> None:
    count, rows, instruments = len(drawn), drawn.conditions, only or TRAINED_INSTRUMENTS
    which = rng.integers(len(instruments), size=count)
    own = np.array([each.wavelength for each in instruments])[which]
    own = own * rng.normal(1, 1e-3, count)
    anything = _log_uniform(rng, *WAVELENGTHS, count)
    varied = _away_from_unseen(np.where(rng.random(count) < 0.5, own, anything))
    wavelengths = varied if only is None else own
    rows["wavelength"] = drawn.measurements["wavelength"] = wavelengths
    squared_factor = rng.lognormal(0.0, 0.3, count).clip(0.4, 2.2) ** 2
    for name in ("u", "v", "w"):
        rows[name] = np.array([getattr(each, name) for each in instruments])[which] * squared_factor
    rows["eta"] = rng.uniform(0, 0.3, count)
    opening = rng.uniform(0.01, 0.04, count) * (rng.random(count) < 0.4)
    rows["s_l"] = rows["h_l"] = opening


def _away_from_unseen(wavelengths: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    for unseen in UNSEEN_WAVELENGTHS:
        too_near = np.abs(wavelengths / unseen - 1) < 0.03
        wavelengths = np.where(too_near, wavelengths * 1.07, wavelengths)
    return wavelengths


def _draw_broadening(rng: np.random.Generator, drawn: Draws) -> None:
    count, rows = len(drawn), drawn.conditions
    strain = _log_uniform(rng, 1e-4, 3e-3, count) * (rng.random(count) < 0.4)
    rows["x"] += 2 * strain * _DEGREES
    size = _log_uniform(rng, 15, 300, count)  # nm
    scherrer = 0.9 * rows["wavelength"] / (10 * size) * _DEGREES
    rows["y"] += scherrer * (rng.random(count) < 0.4)


def _draw_preferred_orientation(rng: np.random.Generator, drawn: Draws) -> None:
    count, rows = len(drawn), drawn.conditions
    rows["axis_h"], rows["axis_k"], rows["axis_l"] = _AXES[rng.integers(len(_AXES), size=count)].T
    march = _log_uniform(rng, 0.6, 1 / 0.6, count)
    rows["march"] = np.where(rng.random(count) < 0.3, march, 1.0)


def _draw_thermal_motion(rng: np.random.Generator, drawn: Draws) -> None:
    count = len(drawn)
    drawn.measurements["thermal"] = rng.uniform(0, 1.5, count)
    drawn.measurements["envelope"] = np.exp(_smooth_curves(rng, count, 0.08))


def _draw_shift(rng: np.random.Generator, drawn: Draws) -> None:
    """Of the zero point, and of a sample off the axis of a cylindrical diffractometer."""
    for name in ("zero", "along", "across"):
        drawn.measurements[name] = rng.normal(0, 0.04, len(drawn)).clip(-0.2, 0.2)


def _draw_counting(rng: np.random.Generator, drawn: Draws) -> None:
    count, made = len(drawn), drawn.measurements
    made["counts"] = _log_uniform(rng, 150, 3e4, count)
    made["overdispersion"] = rng.uniform(0.5, 1.3, count)
    made["stride"] = rng.choice(4, p=[0.5, 0.4, 0.05, 0.05], size=count) + 1


def _draw_background(rng: np.random.Generator, drawn: Draws) -> None:
    """A level with a smooth curve, a rise towards the beam, and broad humps."""
    count, x = len(drawn), np.linspace(0, 1, KNOTS)
    shape = np.exp(_smooth_curves(rng, count, 0.3))
    rise = rng.uniform(0, 3, count) * (rng.random(count) < 0.3)
    shape += rise[:, None] * np.exp(-x / rng.uniform(0.02, 0.2, count)[:, None])
    for _ in range(2):
        height = rng.uniform(0, 0.8, count) * (rng.random(count) < 0.3)
        centre, sigma = rng.uniform(0, 1, (count, 1)), rng.uniform(0.04, 0.15, (count, 1))
        shape += height[:, None] * np.exp(-0.5 * ((x - centre) / sigma) ** 2)
    level = _log_uniform(rng, 0.01, 1.0, count)
    drawn.measurements["background"] = level[:, None] * shape


def _draw_impurity(rng: np.random.Generator, drawn: Draws) -> None:
    """By weight 0 to 30 %, if a gram of either phase scatters as much within a factor or so."""
    count = len(drawn)
    share = rng.uniform(0, 0.3, count)
    drawn.measurements["impurity"] = share / (1 - share) * rng.lognormal(0, 0.4, count)
    which = rng.random(count)
    drawn.impurity[:] = np.where(rng.random(count) < 0.35, which, -1.0)


def _draw_lattice(rng: np.random.Generator, drawn: Draws) -> None:
    """All of a cell by up to 1.5 %, its edges and angles by little more each."""
    count, factors = len(drawn), drawn.cell_factors
    factors[:, :3] = 1 + rng.uniform(-0.015, 0.015, (count, 1))
    factors[:, :3] += rng.uniform(-0.005, 0.005, (count, 3))
    factors[:, 3:] = 1 + rng.uniform(-0.005, 0.005, (count, 3))


def _draw_elements(rng: np.random.Generator, drawn: Draws) -> None:
    """Half of the patterns are of compounds whose elements are exchanged for one another."""
    random = rng.random(drawn.exchange.shape)
    other = rng.random(len(drawn)) < 0.5
    drawn.exchange[other] = random[other]


def _draw_range(rng: np.random.Generator, drawn: Draws) -> None:
    count = len(drawn)
    usual = rng.random((2, count)) < 0.8
    begins = np.where(usual[0], rng.uniform(2, 12, count), rng.uniform(5, 25, count))
    ends = np.where(usual[1], rng.uniform(115, 168, count), rng.uniform(80, 168, count))
    drawn.measurements["first"], drawn.measurements["end"] = _points(begins), _points(ends)
    gaps = rng.uniform(10, 150, count), rng.uniform(1, 15, count) * (rng.random(count) < 0.1)
    drawn.measurements["gap_first"] = _points(gaps[0])
    drawn.measurements["gap_end"] = _points(gaps[0] + gaps[1])


def _draw_stray_peaks(rng: np.random.Generator, drawn: Draws) -> None:
    made, rows = drawn.measurements, drawn.conditions[:, None]
    shape = len(drawn), STRAY_PEAKS
    angles = rng.uniform(5, 90, shape)
    tangent = np.tan(np.radians(angles / 2))
    squared = np.maximum((rows["u"] * tangent + rows["v"]) * tangent + rows["w"], 0.01)
    made["stray_centre"] = (angles - FIRST) / STEP
    made["stray_width"] = np.sqrt(squared) * _SIGMA / STEP
    peaks = rng.integers(1, STRAY_PEAKS + 1, len(drawn)) * (rng.random(len(drawn)) < 0.25)
    heights = _log_uniform(rng, 0.01, 0.25, shape)
    made["stray_height"] = heights * (np.arange(STRAY_PEAKS) < peaks[:, None])


_STEPS: dict[str, Callable[[np.random.Generator, Draws], None]] = {
    "broadening": _draw_broadening,
    "preferred_orientation": _draw_preferred_orientation,
    "thermal_motion": _draw_thermal_motion,
    "shift": _draw_shift,
    "counting": _draw_counting,
    "background": _draw_background,
    "impurity": _draw_impurity,
    "lattice": _draw_lattice,
    "elements": _draw_elements,
    "range": _draw_range,
    "stray_peaks": _draw_stray_peaks,
}


def widen(drawn: Draws, rows: Int64[np.ndarray, " m"]) -> None:
    """Gives some measurements the shortest wavelength and a wide range, which show most."""
    drawn.conditions["wavelength"][rows] = drawn.measurements["wavelength"][rows] = WAVELENGTHS[0]
    drawn.measurements["first"][rows], drawn.measurements["end"][rows] = 0, LENGTH
    drawn.measurements["gap_end"][rows] = 0
    _limit_reflections(drawn)


def _limit_reflections(drawn: Draws) -> None:
    """Spares reflections that are cut off, or too far beyond the grids of networks.

    The background within a grid depends on what lies beyond it: peak clipping reaches on from one
    point to the next, ever more weakly, and twice its widest window is enough.
    Every measurement also ends with a point that is measured.
    """
    rows, made = drawn.conditions, drawn.measurements
    made["end"] -= (made["end"] - made["first"] - 1) % made["stride"]
    rows["two_theta_min"] = FIRST + STEP * made["first"]
    sines = np.minimum(rows["wavelength"] * _LARGEST_INVERSE_D / 2, 1.0)
    limits = 2 * np.degrees(np.arcsin(sines)) + STEP * (2 * CLIPPED + SMOOTHED) + _LARGEST_SHIFT
    rows["two_theta_max"] = np.minimum(FIRST + STEP * (made["end"] - 1), limits)


def _log_uniform(rng: np.random.Generator, low: float, high: float, shape: Any) -> Any:  # noqa: ANN401
    return np.exp(rng.uniform(math.log(low), math.log(high), shape))


def _smooth_curves(
    rng: np.random.Generator, count: int, size: float
) -> Float64[np.ndarray, "count knots"]:
    """Random Chebyshev sums of degree 1 to 5; their coefficients fall off."""
    degrees = np.arange(1, 6)
    waves = np.cos(degrees[:, None] * np.arccos(np.linspace(-1, 1, KNOTS)))
    return rng.normal(0, size, (count, len(degrees))) / degrees**0.5 @ waves
