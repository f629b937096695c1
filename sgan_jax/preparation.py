"""From a measured pattern to what a network sees, stage by stage.

The stages: points at equal steps of 2θ (`resample`), the background below the peaks
(`background`), the rest on the grid of the network with parts that were not measured marked as such
(`to_grid`), and the square root of it, in which weak peaks show and the noise of counts is alike at
all heights. This is the definition; training, which prepares thousands of simulated measurements
per second, has the same in compiled form (`sgan_jax.augmentation.compiled`); tests hold it to this.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from data_gen.errors import InputError
from sgan_jax.grids import NOT_MEASURED, Grid

FIRST, STEP, LENGTH = 2.0, 0.05, 3321
"""The working grid: 2θ of its first point, step in degrees, and number of points, to 168°."""

SMOOTHED = 9
"""Points over which a pattern is averaged before its background is sought: noise pulls it down."""
CLIPPED = 80
"""Half width, in points, of the widest peak that is no background: 4°."""

_WIDEST_GAP = 0.5  # degrees without a point that are bridged; wider ones were not measured
_WIDEST_GAP_IN_STEPS = 1.5  # that are bridged where steps are coarse
_COARSEST = 1.0  # degrees between points, beyond which peaks fall through
_PEAK = 0.25  # degrees averaged to tell a weak peak from noise
_BESIDE = 1.5  # degrees from a peak to where it has ended; the humps of liquids have not
_BLOCK = 200  # points over which the noise is much the same
_ROUNDED = 1e-3  # relative: by what intensities may miss the multiples of a count
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
        missing: Share of the measured range that lies in gaps.
        signal: By how many standard deviations of the noise the clearest peak rises over what is
            1.5° beside it, without its highest point; noise alone rarely reaches 5.
        sharpness: The highest of such rises as a share of the highest point: below 0.25 for
            liquids, above 0.3 even for crystallites of 15 nm.
        notes: What had to be left out.
    """

    two_theta: Float64[np.ndarray, " points"]
    measured: Float64[np.ndarray, " points"]
    background: Float64[np.ndarray, " points"]
    network_input: Float32[np.ndarray, " grid"]
    coverage: float
    missing: float
    signal: float
    sharpness: float
    notes: tuple[str, ...]


class Points(NamedTuple):
    """A measurement without points closer to each other than the working grid's.

    Attributes:
        numbers: Of the points of the working grid that they are next to.
        two_theta: In degrees.
        intensity: Mean of the measured points next to the same point of the working grid.
        averaged: How many measured points that was on average.
        quantum: What one count amounts to, for the noise of counting; 0 where it is not known.
    """

    numbers: Int64[np.ndarray, " cells"]
    two_theta: Float64[np.ndarray, " cells"]
    intensity: Float64[np.ndarray, " cells"]
    averaged: float
    quantum: float

    @property
    def step(self) -> float:
        """Between points next to each other, in degrees."""
        return float(np.median(np.diff(self.two_theta)))


def prepare(pattern: Measured, wavelength: float, grid: Grid, many: bool = False) -> Prepared:
    """Makes a measured pattern what a network sees.

    Args:
        pattern: The measurement.
        wavelength: In Å.
        grid: The network's.
        many: Whether many patterns are prepared, so that it pays to compile what takes longest.

    Raises:
        InputError: Too little of it lies on the working grid, its steps are too coarse, or it is
            not higher anywhere than its background.
    """
    points = averaged(pattern.two_theta, pattern.intensity)
    two_theta, intensity, there = resample(points)
    low = background(intensity, many)
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
        missing=float(1 - there.mean()),
        signal=_signal(points, low),
        sharpness=_sharpness(intensity - low),
        notes=_notes(pattern.two_theta),
    )


def averaged(two_theta: Float64[np.ndarray, " n"], intensity: Float64[np.ndarray, " n"]) -> Points:
    """What of a measurement lies on the working grid; points closer than its step are averaged.

    Raises:
        InputError: Too few points, or too far apart.
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
    sizes = np.bincount(members)
    points = Points(
        cells,
        np.bincount(members, angles) / sizes,
        np.bincount(members, values) / sizes,
        len(angles) / len(cells),
        _quantum(values),
    )
    if points.step > _COARSEST:
        raise InputError(
            f"steps of {points.step:.3g} degrees, in which peaks are lost; give a pattern measured "
            f"in steps of at most {_COARSEST:g}"
        )
    return points


def _quantum(intensity: Float64[np.ndarray, " n"]) -> float:
    """What one count amounts to: the lowest intensity if all are multiples of it, or else 1."""
    if intensity.min() < 0 or not intensity.any():
        return 0.0
    for quantum in (float(intensity[intensity > 0].min()), 1.0):
        counts = intensity / quantum
        if np.allclose(counts, np.rint(counts), rtol=_ROUNDED, atol=_ROUNDED):
            return quantum
    return 0.0


def resample(
    points: Points,
) -> tuple[
    Float64[np.ndarray, " points"], Float64[np.ndarray, " points"], Bool[np.ndarray, " points"]
]:
    """The part of the working grid that a measurement covers, and its intensity there.

    Between points farther apart than the step the intensity is interpolated.

    Returns:
        Angles in degrees, intensities, and whether a point was measured: it was not within a gap
        of more than half a degree or, where the steps are coarser, of more than one and a half.
    """
    grid = FIRST + STEP * np.arange(points.numbers[0], points.numbers[-1] + 1)
    place = np.searchsorted(points.two_theta, grid).clip(1, len(points.two_theta) - 1)
    bridged = max(_WIDEST_GAP, _WIDEST_GAP_IN_STEPS * points.step)
    there = np.diff(points.two_theta)[place - 1] <= bridged
    return grid, np.interp(grid, points.two_theta, points.intensity), there


def background(
    intensity: Float64[np.ndarray, " points"], many: bool = False
) -> Float64[np.ndarray, " points"]:
    """The background of a pattern on the working grid, by statistics-sensitive peak clipping.

    C. G. Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396, windows from the widest to the
    narrowest as M. Morháč and V. Matoušek, Appl. Spectrosc. 62 (2008) 91, found it smoother; on the
    smoothed pattern. By the library pybaselines; for many patterns by a compiled function that a
    test holds to it, to the last bit.
    """
    smooth = uniform_filter1d(intensity, SMOOTHED, mode="nearest")
    widest = min(CLIPPED, (len(smooth) - 1) // 2)
    if many:
        from sgan_jax.measured.compiled import clip  # only here: slow to import

        low = np.pad(smooth, widest, mode="edge")
        clip(low, np.empty_like(low), widest)
        return low[widest : len(low) - widest]
    from pybaselines import Baseline  # likewise

    return Baseline().snip(
        smooth, max_half_window=widest, decreasing=True, pad_kwargs={"mode": "edge"}
    )[0]


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


def _signal(points: Points, low: Float64[np.ndarray, " points"]) -> float:
    """The largest rise of a peak over what is beside it, in standard deviations of the noise there.

    A peak is at least two points, and rises even without the highest of them.
    """
    width = max(2, round(_PEAK / points.step))
    beside = max(width, round(_BESIDE / points.step))
    if len(points.numbers) <= max(4 * width, 2 * beside):
        return 0.0
    net = points.intensity - low[points.numbers - points.numbers[0]]
    means = uniform_filter1d(net, width, mode="nearest")
    peaks = (width * means - maximum_filter1d(net, width, mode="nearest")) / (width - 1)
    rises = peaks[beside:-beside] - np.maximum(means[: -2 * beside], means[2 * beside :])
    noise = np.maximum(_scatter(means, width), _counting_noise(points, width))[beside:-beside]
    noisy = noise > 0  # without any noise, as in calculated patterns, every rise is clear
    return float((rises[noisy] / noise[noisy]).max()) if noisy.any() else math.inf


def _scatter(means: Float64[np.ndarray, " cells"], width: int) -> Float64[np.ndarray, " cells"]:
    """Standard deviation of means over some points, from the differences of those that share none.

    It is found block by block; the median passes over peaks.
    """
    lag = 2 * width
    differences = np.abs(means[2 * lag :] - 2 * means[lag:-lag] + means[: -2 * lag])
    size = min(_BLOCK, len(differences))
    blocks = len(differences) // size
    medians = np.median(differences[: blocks * size].reshape(blocks, size), axis=1)
    centres = lag + size * (np.arange(blocks) + 0.5)
    return np.interp(np.arange(len(means)), centres, medians) / (_NORMAL_MEDIAN * math.sqrt(6))


def _counting_noise(points: Points, width: int) -> Float64[np.ndarray, " cells"]:
    """Standard deviation that counting alone gives to means over some points.

    One count more than there are: where most points have none, differences tell nothing.
    """
    level = uniform_filter1d(points.intensity, _BLOCK, mode="nearest")
    measured = width * points.averaged
    return np.sqrt((level * points.quantum + points.quantum**2 / measured) / measured)


def _sharpness(net: Float64[np.ndarray, " points"]) -> float:
    """The largest rise over what is beside it as a share of the highest point."""
    width, beside = round(_PEAK / STEP), round(_BESIDE / STEP)
    net = uniform_filter1d(net, width, mode="nearest")
    rises = net[beside:-beside] - np.maximum(net[: -2 * beside], net[2 * beside :])
    return float(rises.max() / net.max()) if net.max() > 0 else 0.0


def _notes(two_theta: Float64[np.ndarray, " n"]) -> tuple[str, ...]:
    last = FIRST + STEP * (LENGTH - 1)
    if two_theta[0] >= FIRST - STEP and two_theta[-1] <= last + STEP:
        return ()
    return (f"what lies outside {FIRST:g} to {last:g} degrees is left out",)
