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
_BESIDE = 30  # points from a peak to where it has ended; the humps of liquids have not
_BLOCK = 200  # points over which the noise is much the same
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
        signal: By how many standard deviations of the noise the clearest peak rises over what is
            1.5° beside it; noise alone reaches 6.
        sharpness: The highest of such rises as a share of the highest point: below 0.25 for
            liquids, above 0.3 even for crystallites of 15 nm.
        notes: What had to be left out or bridged.
    """

    two_theta: Float64[np.ndarray, " points"]
    measured: Float64[np.ndarray, " points"]
    background: Float64[np.ndarray, " points"]
    network_input: Float32[np.ndarray, " grid"]
    coverage: float
    signal: float
    sharpness: float
    notes: tuple[str, ...]


def prepare(pattern: Measured, wavelength: float, grid: Grid, many: bool = False) -> Prepared:
    """Makes a measured pattern what a network sees.

    Args:
        pattern: The measurement.
        wavelength: In Å.
        grid: The network's.
        many: Whether many patterns are prepared, so that it pays to compile what takes longest.

    Raises:
        InputError: Too little of it lies on the working grid, or it is not higher anywhere than
            its background.
    """
    two_theta, intensity, there = resample(pattern.two_theta, pattern.intensity)
    low = background(intensity, many)
    net = np.maximum(intensity - low, 0.0)
    seen = to_grid(two_theta, net, there, wavelength, grid)
    height = seen.max()
    if not height > 0:
        raise InputError(
            "no point is higher than the background within the lattice spacings that the network "
            "knows; give a pattern with peaks, or another --wavelength"
        )
    signal, sharpness = _clearest_peak(intensity, low)
    covered = seen >= 0
    seen[covered] = np.sqrt(seen[covered] / height)
    return Prepared(
        two_theta=two_theta,
        measured=intensity,
        background=low,
        network_input=seen.astype(np.float32),
        coverage=float(covered.mean()),
        signal=signal,
        sharpness=sharpness,
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


def background(
    intensity: Float64[np.ndarray, " points"], many: bool = False
) -> Float64[np.ndarray, " points"]:
    """The background of a pattern on the working grid, by statistics-sensitive peak clipping.

    C. G. Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396, windows from the widest to the
    narrowest as M. Morháč and V. Matoušek, Appl. Spectrosc. 62 (2008) 91, found it smoother; on the
    smoothed pattern. To the last bit this is `snip` of the library pybaselines, to which a test
    holds it, in a third of the time and without half a second for its import.
    """
    smooth = uniform_filter1d(intensity, SMOOTHED, mode="nearest")
    widest = min(CLIPPED, (len(smooth) - 1) // 2)
    low = np.pad(smooth, widest, mode="edge")
    if many:
        from sgan_jax.measured.compiled import clip  # only here: slow to import

        clip(low, np.empty_like(low), widest)
    else:
        _clip(low, widest)
    return low[widest : len(low) - widest]


def _clip(low: Float64[np.ndarray, " points"], widest: int) -> None:
    """Lowers points to the middle of those before and after, at ever smaller distances."""
    middle = np.empty_like(low)
    for window in range(widest, 0, -1):
        between = middle[: len(low) - 2 * window]
        np.add(low[: -2 * window], low[2 * window :], out=between)
        between *= 0.5
        inner = low[window:-window]
        np.minimum(inner, between, out=inner)


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
    seen[(edges[:-1] < inverse_d[0]) | (edges[1:] > inverse_d[-1])] = NOT_MEASURED
    if not there.all():
        gaps = np.concatenate([[0.0], np.cumsum(np.where(there[1:] & there[:-1], 0.0, steps))])
        seen[np.diff(np.interp(edges, inverse_d, gaps)) > 0] = NOT_MEASURED
    return seen


def _clearest_peak(
    intensity: Float64[np.ndarray, " points"], low: Float64[np.ndarray, " points"]
) -> tuple[float, float]:
    """How far the clearest peak rises over what is beside it.

    The noise is taken block by block, from differences of averages that share no point; its median
    passes over peaks.

    Returns:
        The largest rise in standard deviations of the noise there, and the largest rise as a share
        of the highest point above the background.
    """
    net = uniform_filter1d(intensity - low, _PEAK, mode="nearest")
    differences = np.abs(net[4 * _PEAK :] - 2 * net[2 * _PEAK : -2 * _PEAK] + net[: -4 * _PEAK])
    blocks = len(differences) // _BLOCK
    medians = np.median(differences[: blocks * _BLOCK].reshape(blocks, _BLOCK), axis=1)
    centres = 2 * _PEAK + _BLOCK * (np.arange(blocks) + 0.5)
    noise = np.interp(np.arange(len(net)), centres, medians) / (_NORMAL_MEDIAN * math.sqrt(6))
    rises = net[_BESIDE:-_BESIDE] - np.maximum(net[: -2 * _BESIDE], net[2 * _BESIDE :])
    noise = noise[_BESIDE:-_BESIDE]
    noisy = noise > 0  # without any noise, as in calculated patterns, every rise is clear
    signal = float((rises[noisy] / noise[noisy]).max()) if noisy.any() else math.inf
    return signal, float(rises.max() / net.max()) if net.max() > 0 else 0.0


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
