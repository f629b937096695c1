"""From a measured pattern to what a network sees, stage by stage.

The stages: points at equal steps of 2θ (`resample`), the background below the peaks
(`background`), the rest on the grid of the network with parts that were not measured marked as such
(`to_grid`), and the square root of it, in which weak peaks show and the noise of counts is alike at
all heights. This is the definition; training, which prepares thousands of simulated measurements
per second, has the same in compiled form (`sgan_jax.kernels.measurement`), to which tests hold it.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32, Float64
from pybaselines import Baseline
from scipy.ndimage import uniform_filter1d

from data_gen.errors import InputError
from sgan_jax.grids import NOT_MEASURED, Grid

FIRST, STEP, LENGTH = 2.0, 0.05, 3321
"""The working grid: 2θ of its first point, step in degrees, and number of points, to 168°."""

SMOOTHED = 9
"""Points over which a pattern is averaged before its background is sought: noise pulls it down."""
CLIPPED = 80
"""Half width, in points, of the widest peak that is no background: 4°."""

_WIDEST_GAP = 0.5  # degrees without a point that are bridged; wider ones were not measured
_PEAK = 5  # points averaged to tell a weak peak from noise
_NORMAL_MEDIAN = 0.6745  # of |x| where x is normally distributed with σ = 1


class Measured(Protocol):
    """What is needed of a `sgan_jax.measured.Pattern`."""

    @property
    def two_theta(self) -> Float64[np.ndarray, " n"]:
        """Ascending angles in degrees."""
        ...

    @property
    def intensity(self) -> Float64[np.ndarray, " n"]:
        """Counts, or in any other unit."""
        ...


@dataclass(frozen=True, eq=False)
class Prepared:
    """A measured pattern at every stage.

    Attributes:
        two_theta: Of the working grid within the measured range, in degrees.
        measured: Intensity there.
        background: Of the measured intensity.
        network_input: Background removed, on the network's grid, the square root of its share of
            the highest peak; `NOT_MEASURED` where nothing was measured.
        coverage: Share of the network's grid that was measured.
        signal: Height of the highest peak over the noise's standard deviation.
        notes: What had to be left out or bridged.
    """

    two_theta: Float64[np.ndarray, " points"]
    measured: Float64[np.ndarray, " points"]
    background: Float64[np.ndarray, " points"]
    network_input: Float32[np.ndarray, " grid"]
    coverage: float
    signal: float
    notes: tuple[str, ...]


def prepare(pattern: Measured, wavelength: float, grid: Grid) -> Prepared:
    """Makes a measured pattern what a network sees.

    Args:
        pattern: The measurement.
        wavelength: In Å.
        grid: The network's.

    Raises:
        InputError: Too little of it lies on the working grid, or it is not higher anywhere than
            its background.
    """
    two_theta, intensity, there = resample(pattern.two_theta, pattern.intensity)
    low = background(intensity)
    net = np.maximum(intensity - low, 0.0)
    seen = to_grid(two_theta, net, there, wavelength, grid)
    height = seen.max()
    if not height > 0:
        raise InputError(
            "no point is higher than the background within the lattice spacings that the network "
            "knows; give a pattern with peaks, or another --wavelength"
        )
    covered = seen >= 0
    seen[covered] = np.sqrt(seen[covered] / height)
    return Prepared(
        two_theta=two_theta,
        measured=intensity,
        background=low,
        network_input=seen.astype(np.float32),
        coverage=float(covered.mean()),
        signal=_signal(intensity, low),
        notes=_notes(pattern.two_theta, there),
    )


def resample(
    two_theta: Float64[np.ndarray, " n"], intensity: Float64[np.ndarray, " n"]
) -> tuple[
    Float64[np.ndarray, " points"], Float64[np.ndarray, " points"], Bool[np.ndarray, " points"]
]:
    """The part of the working grid that a measurement covers, and its intensity there.

    Points closer than the step are averaged; between those farther apart the intensity is
    interpolated.

    Returns:
        Angles in degrees, intensities, and whether a point was measured: it was not within a gap
        of more than half a degree.

    Raises:
        InputError: Too few points.
    """
    numbers = np.rint((two_theta - FIRST) / STEP).astype(np.int64)
    inside = (numbers >= 0) & (numbers < LENGTH)
    if inside.sum() < 2 or np.ptp(numbers[inside]) < 4 * CLIPPED:
        raise InputError(
            f"fewer than {4 * CLIPPED * STEP:g} degrees of 2θ are measured from {FIRST:g} to "
            f"{FIRST + STEP * (LENGTH - 1):g}; give a wider range"
        )
    angles, values = two_theta[inside], intensity[inside]
    cells, members = np.unique(numbers[inside], return_inverse=True)
    count = np.bincount(members)
    angles, values = np.bincount(members, angles) / count, np.bincount(members, values) / count
    grid = FIRST + STEP * np.arange(cells[0], cells[-1] + 1)
    place = np.searchsorted(angles, grid).clip(1, len(angles) - 1)
    there = np.diff(angles)[place - 1] <= _WIDEST_GAP
    return grid, np.interp(grid, angles, values), there


def background(intensity: Float64[np.ndarray, " points"]) -> Float64[np.ndarray, " points"]:
    """The background of a pattern on the working grid, by statistics-sensitive peak clipping.

    C. G. Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396, windows from the widest to the
    narrowest as M. Morháč and V. Matoušek, Appl. Spectrosc. 62 (2008) 91, found it smoother; on the
    smoothed pattern.
    """
    smooth = uniform_filter1d(intensity, SMOOTHED, mode="nearest")
    clipped = Baseline().snip(
        smooth,
        max_half_window=min(CLIPPED, (len(smooth) - 1) // 2),
        decreasing=True,
        pad_kwargs={"mode": "edge"},
    )
    return clipped[0]


def to_grid(
    two_theta: Float64[np.ndarray, " points"],
    intensity: Float64[np.ndarray, " points"],
    there: Bool[np.ndarray, " points"],
    wavelength: float,
    grid: Grid,
) -> Float64[np.ndarray, " grid"]:
    """Mean intensity between the edges of a network's grid; `NOT_MEASURED` where there is none."""
    inverse_d = 2 * np.sin(np.radians(two_theta / 2)) / wavelength
    steps = np.diff(inverse_d)
    means = (intensity[1:] + intensity[:-1]) / 2
    integral = np.concatenate([[0.0], np.cumsum(means * steps)])
    edges = grid.edges
    seen = np.diff(np.interp(edges, inverse_d, integral)) / np.diff(edges)
    missing = np.concatenate([[0.0], np.cumsum(np.where(there[1:] & there[:-1], 0.0, steps))])
    partly = np.diff(np.interp(edges, inverse_d, missing)) > 0
    outside = (edges[:-1] < inverse_d[0]) | (edges[1:] > inverse_d[-1])
    seen[partly | outside] = NOT_MEASURED
    return seen


def _signal(
    intensity: Float64[np.ndarray, " points"], low: Float64[np.ndarray, " points"]
) -> float:
    """Highest peak over the noise, both of the average over a few points.

    The noise is taken where the pattern is flattest, from the differences of such averages.
    """
    smooth = uniform_filter1d(intensity - low, _PEAK, mode="nearest")
    # Averages that share no point are independent; half of the points are mostly background.
    differences = np.abs(smooth[2 * _PEAK :] - 2 * smooth[_PEAK:-_PEAK] + smooth[: -2 * _PEAK])
    noise = float(np.median(differences)) / (_NORMAL_MEDIAN * math.sqrt(6))
    above = float(smooth.max() - np.median(smooth))
    return above / noise if noise > 0 else math.inf


def _notes(
    two_theta: Float64[np.ndarray, " n"], there: Bool[np.ndarray, " points"]
) -> tuple[str, ...]:
    notes = []
    last = FIRST + STEP * (LENGTH - 1)
    if two_theta[0] < FIRST - STEP or two_theta[-1] > last + STEP:
        notes.append(f"what lies outside {FIRST:g} to {last:g} degrees is left out")
    if not there.all():
        notes.append(f"{STEP * (~there).sum():.1f} degrees within the range were not measured")
    return tuple(notes)
