"""From a simulated pattern to what a network would see of it, had it been measured.

The second half is `sgan_jax.preparation` in compiled form; a test holds the two together.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from data_gen.kernels.compiled import kernel, stamp_whole_folder
from sgan_jax.grids import NOT_MEASURED
from sgan_jax.preparation import CLIPPED, SMOOTHED

stamp_whole_folder(__file__)

KNOTS = 48
"""Points between which smooth curves over the working grid are linear."""
STRAY_PEAKS = 4
"""At most, in one pattern."""

MEASUREMENT = np.dtype(
    [
        ("first", np.int64),  # point of the working grid at which the measurement begins
        ("end", np.int64),  # and the one before which it ends
        ("stride", np.int64),  # every so many points are measured; the others lie between
        ("gap_first", np.int64),  # point with which a gap in the measurement begins
        ("gap_end", np.int64),  # and the one before which it ends; not after it: there is none
        ("wavelength", np.float64),  # Å
        ("zero", np.float64),  # shift of all angles, degrees
        ("along", np.float64),  # shift ∝ sin2θ, of a sample off the axis along the beam, degrees
        ("across", np.float64),  # shift ∝ cos2θ, of one off the axis across the beam, degrees
        ("thermal", np.float64),  # overall B, Å²
        ("impurity", np.float32),  # sum of the second pattern's intensities over the first's
        ("counts", np.float32),  # at the highest peak, background left out; 0: no noise
        ("overdispersion", np.float32),  # σ over that of counts
        ("stray_centre", np.float32, (STRAY_PEAKS,)),  # points of the working grid
        ("stray_width", np.float32, (STRAY_PEAKS,)),  # σ in points
        ("stray_height", np.float32, (STRAY_PEAKS,)),  # of the highest peak; 0: none
        ("background", np.float32, (KNOTS,)),  # height over that of the highest peak
        ("envelope", np.float32, (KNOTS,)),  # by which intensities are multiplied
    ],
    align=True,
)
"""What happens to one pattern, beside its `data_gen.conditions.CONDITIONS`."""

_REACH = 4.0  # standard deviations to which a stray peak is drawn


@kernel
def measure(
    patterns: Float32[np.ndarray, "batch working"],
    impurities: Float32[np.ndarray, "impure working"],
    impurity_of: np.ndarray,
    measurements: np.ndarray,
    noise: Float32[np.ndarray, " long"],
    noise_from: np.ndarray,
    sines: Float64[np.ndarray, " working"],
    cosines: Float64[np.ndarray, " working"],
    edges: Float64[np.ndarray, " grid+1"],
    out: Float32[np.ndarray, "batch grid"],
) -> None:
    """Measures patterns and prepares them for the network.

    Args:
        patterns: On the working grid of `sgan_jax.preparation`, from 0 to 1; changed.
        impurities: Patterns of other phases under the same conditions.
        impurity_of: Row of `impurities` for each pattern; negative for none.
        measurements: One row of `MEASUREMENT` each.
        noise: Normally distributed numbers.
        noise_from: Where in them those of each pattern begin.
        sines: sinθ of the working grid.
        cosines: Its cosθ.
        edges: Of the network's grid in 1/d, Å⁻¹.
        out: Receives the patterns; see `sgan_jax.preparation.Prepared.network_input`.
    """
    positions = np.empty(len(sines))
    smooth = np.empty(len(sines), np.float32)
    padded = np.empty((2, len(sines) + 2 * CLIPPED), np.float32)
    for n in range(len(patterns)):
        pattern, row = patterns[n], measurements[n]
        for i in range(len(pattern)):
            sine, cosine = sines[i], cosines[i]
            off_axis = row.along * 2 * sine * cosine + row.across * (cosine**2 - sine**2)
            half_shift = math.radians(row.zero + off_axis) / 2
            positions[i] = 2 * (sine + cosine * half_shift) / row.wavelength
        if impurity_of[n] >= 0:
            _add_phase(pattern, impurities[impurity_of[n]], row)
        _decay(pattern, row.thermal, sines, row.wavelength)
        part = pattern[row.first : row.end]
        _add_stray_peaks(part, row)
        _count(part, row, noise[noise_from[n] :])
        _bridge(part, row)
        _remove_background(part, smooth[: len(part)], padded)
        _rebin(part, positions[row.first : row.end], edges, out[n])
        _hide_gap(row, positions, edges, out[n])


@kernel
def _decay(
    pattern: Float32[np.ndarray, " working"],
    b: float,
    sines: Float64[np.ndarray, " working"],
    wavelength: float,
) -> None:
    """Thermal motion: exp(−2B sin²θ/λ²)."""
    if b > 0:
        for i in range(len(pattern)):
            x = sines[i] / wavelength
            pattern[i] *= np.float32(math.exp(-2 * b * x * x))


@kernel
def _add_phase(
    pattern: Float32[np.ndarray, " working"],
    other: Float32[np.ndarray, " working"],
    row: Any,  # noqa: ANN401
) -> None:
    own, others = np.float32(0), np.float32(0)
    for i in range(row.first, row.end):
        own += pattern[i]
        others += other[i]
    if others > 0:
        scale = row.impurity * own / others
        for i in range(len(pattern)):
            pattern[i] += scale * other[i]


@kernel
def _add_stray_peaks(part: Float32[np.ndarray, " points"], row: Any) -> None:  # noqa: ANN401
    highest = part.max()
    for k in range(STRAY_PEAKS):
        if row.stray_height[k] > 0:
            centre, sigma = row.stray_centre[k] - row.first, row.stray_width[k]
            low = max(int(centre - _REACH * sigma), 0)
            for i in range(low, min(int(centre + _REACH * sigma) + 1, len(part))):
                x = (i - centre) / sigma
                part[i] += highest * row.stray_height[k] * math.exp(-0.5 * x * x)


@kernel
def _count(
    part: Float32[np.ndarray, " points"],
    row: Any,  # noqa: ANN401
    noise: Float32[np.ndarray, " long"],
) -> None:
    """Adds background and noise, and leaves the points that are measured, and lines between."""
    scale = np.float32((KNOTS - 1) / (len(part) - 1))
    highest = np.float32(0)
    for i in range(len(part)):
        part[i] *= _between(row.envelope, i * scale)
        highest = max(highest, part[i])
    if highest <= 0:
        return
    for i in range(len(part)):
        value = part[i] / highest + _between(row.background, i * scale)
        if row.counts > 0:
            value += (
                row.overdispersion * math.sqrt(max(value, np.float32(0)) / row.counts) * noise[i]
            )
        part[i] = value
    for start in range(0, len(part) - row.stride, row.stride):
        step = (part[start + row.stride] - part[start]) / row.stride
        for j in range(1, row.stride):
            part[start + j] = part[start] + j * step


@kernel
def _bridge(part: Float32[np.ndarray, " points"], row: Any) -> None:  # noqa: ANN401
    """Draws a line over the gap, from the last point before it to the first behind it."""
    first, end = row.gap_first - row.first, row.gap_end - row.first
    if 0 < first < end < len(part):
        step = (part[end] - part[first - 1]) / (end - first + 1)
        for j in range(first, end):
            part[j] = part[first - 1] + (j - first + 1) * step


@kernel
def _hide_gap(
    row: Any,  # noqa: ANN401
    positions: Float64[np.ndarray, " working"],
    edges: Float64[np.ndarray, " grid+1"],
    out: Float32[np.ndarray, " grid"],
) -> None:
    """Marks the gap as not measured."""
    if row.first < row.gap_first < row.gap_end < row.end:
        begin, end = positions[row.gap_first - 1], positions[row.gap_end]
        for k in range(len(out)):
            if edges[k + 1] > begin and edges[k] < end:
                out[k] = NOT_MEASURED


@kernel
def _between(knots: Float32[np.ndarray, " knots"], x: np.float32) -> np.float32:
    i = min(int(x), KNOTS - 2)
    return knots[i] + (x - np.float32(i)) * (knots[i + 1] - knots[i])


@kernel
def _remove_background(
    part: Float32[np.ndarray, " points"],
    smooth: Float32[np.ndarray, " points"],
    padded: Float32[np.ndarray, "2 longer"],
) -> None:
    """Takes off what `sgan_jax.preparation.background` finds, and what is then negative."""
    count, half = len(part), SMOOTHED // 2
    total = 0.0
    for j in range(-half - 1, half):
        total += part[min(max(j, 0), count - 1)]
    for i in range(count):
        total += part[min(i + half, count - 1)] - part[max(i - half - 1, 0)]
        smooth[i] = total / SMOOTHED
    widest = min(CLIPPED, (count - 1) // 2)
    length = count + 2 * widest
    low, lower = padded[0, :length], padded[1, :length]
    for i in range(length):
        low[i] = smooth[min(max(i - widest, 0), count - 1)]
    lower[:] = low
    for window in range(widest, 0, -1):
        _clip(low, lower, window)
        low, lower = lower, low
    for i in range(count):
        part[i] = max(part[i] - low[widest + i], np.float32(0))


@kernel
def _clip(
    low: Float32[np.ndarray, " longer"], lower: Float32[np.ndarray, " longer"], window: int
) -> None:
    """Lowers points to the middle of those `window` before and after; all at once."""
    length = len(low)
    lower[:window], lower[length - window :] = low[:window], low[length - window :]
    before, here, after = low[: length - 2 * window], low[window:], low[2 * window :]
    inner = lower[window : length - window]
    for i in range(len(inner)):
        inner[i] = min(here[i], (before[i] + after[i]) * np.float32(0.5))


@kernel
def _rebin(
    part: Float32[np.ndarray, " points"],
    positions: Float64[np.ndarray, " points"],
    edges: Float64[np.ndarray, " grid+1"],
    out: Float32[np.ndarray, " grid"],
) -> None:
    """Means between edges, see `sgan_jax.preparation.to_grid`; roots of shares of the highest."""
    highest = np.float32(0)
    i, integral, before = 0, 0.0, 0.0  # point below the edge, and integrals to it and to the edge
    last = len(part) - 1
    for k in range(len(edges)):
        edge = min(max(edges[k], positions[0]), positions[last])
        while i < last - 1 and positions[i + 1] <= edge:
            integral += (positions[i + 1] - positions[i]) * (part[i] + part[i + 1]) / 2
            i += 1
        value = integral + (edge - positions[i]) * (part[i] + part[i + 1]) / 2
        if k > 0:
            if edges[k - 1] < positions[0] or edges[k] > positions[last]:
                out[k - 1] = NOT_MEASURED
            else:
                out[k - 1] = np.float32((value - before) / (edges[k] - edges[k - 1]))
                highest = max(highest, out[k - 1])
        before = value
    if highest > 0:
        for k in range(len(out)):
            if out[k] >= 0:
                out[k] = math.sqrt(out[k] / highest)
