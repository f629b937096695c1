"""The profile: every reflection becomes a peak on the grid."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from data_gen.kernels.compiled import kernel

_LORENTZ_REACH = 10.0  # in FWHM, to either side
_GAUSS_REACH = 1.9
_NEGLIGIBLE = 1e-6  # of the strongest reflection: not drawn
_MOST_PIECES = 256  # that an asymmetric peak is made of
_NEGLIGIBLE_SPREAD = 0.02  # of the width: an asymmetry that is not seen, but for its shift

# What would lie beyond the reach is put back by dividing through the part within it.
_LN2 = math.log(2)
_LORENTZ_HEIGHT = 2 / math.pi / (2 / math.pi * math.atan(2 * _LORENTZ_REACH))
_GAUSS_HEIGHT = 2 * math.sqrt(_LN2 / math.pi) / math.erf(2 * math.sqrt(_LN2) * _GAUSS_REACH)


@kernel
def draw_peaks(
    pattern: Float32[np.ndarray, " points"],
    two_theta: Float64[np.ndarray, " n"],
    intensity: Float64[np.ndarray, " n"],
    condition: Any,  # noqa: ANN401
    start: float,
    step: float,
) -> None:
    """Adds reflections to a pattern, in units of intensity per degree.

    The Lorentz part is drawn to ±10 FWHM and the Gauss part to ±1.9; what is cut off is made up
    for, so that the sum over the grid times its step is the intensity. Reflections below 1e-6 of
    the strongest are not drawn.

    Args:
        pattern: Changed in place.
        two_theta: Positions in degrees; those outside the grid reach in with their tails.
        intensity: Areas of the peaks.
        condition: Record of `data_gen.conditions.CONDITIONS`.
        start: First point of the grid, in degrees.
        step: Distance of its points, in degrees.
    """
    threshold = 0.0
    for value in intensity:
        threshold = max(threshold, _NEGLIGIBLE * value)
    asymmetric = condition.s_l > 0 and condition.h_l > 0
    for q in range(len(two_theta)):
        if intensity[q] <= threshold:
            continue
        fwhm, eta = _shape(two_theta[q], condition, step)
        if asymmetric:
            _add_asymmetric(pattern, two_theta[q], intensity[q], fwhm, eta, condition, start, step)
        else:
            _add_peak(pattern, (two_theta[q] - start) / step, intensity[q] / step, fwhm / step, eta)


@kernel
def _shape(two_theta: float, condition: Any, step: float) -> tuple[float, float]:  # noqa: ANN401
    """Returns full width at half maximum in degrees and mixing of a pseudo-Voigt function."""
    theta = math.radians(two_theta / 2)
    tangent = math.tan(theta)
    squared = (condition.u * tangent + condition.v) * tangent + condition.w
    fwhm = math.sqrt(max(squared, step * step))
    broadening = condition.x * tangent + condition.y / math.cos(theta)
    if broadening > 0:
        return _broadened(fwhm, condition.eta, broadening)
    return fwhm, condition.eta


@kernel
def _broadened(fwhm: float, eta: float, broadening: float) -> tuple[float, float]:
    """Returns width and mixing of a pseudo-Voigt function convolved with a Lorentz function.

    The widths of its Gauss and Lorentz parts, and width and mixing of the sum, are those of
    P. Thompson, D. E. Cox and J. B. Hastings, J. Appl. Cryst. 20 (1987) 79, with the inverse of
    W. I. F. David, J. Appl. Cryst. 19 (1986) 63.
    """
    part = 1 - eta * (0.74417 + eta * (0.24781 + eta * 0.00810))
    g = fwhm * math.sqrt(max(part, 0.0))
    l = fwhm * eta * (0.72928 + eta * (0.19289 + eta * 0.07783)) + broadening  # noqa: E741
    fifth = g**5 + 2.69269 * g**4 * l + 2.42843 * g**3 * l**2 + 4.47163 * g**2 * l**3
    total = (fifth + 0.07842 * g * l**4 + l**5) ** 0.2
    share = l / total
    return total, share * (1.36603 + share * (-0.47719 + share * 0.11116))


@kernel
def _add_asymmetric(
    pattern: Float32[np.ndarray, " points"],
    two_theta: float,
    intensity: float,
    fwhm: float,
    eta: float,
    condition: Any,  # noqa: ANN401
    start: float,
    step: float,
) -> None:
    """Adds a peak that axial divergence draws out towards the beam.

    L. W. Finger, D. E. Cox and A. P. Jephcoat, J. Appl. Cryst. 27 (1994) 892: rays at height h of
    the detector (all heights in units of the distance L) are found at 2φ with cos2φ = cos2θ
    √(1 + h²). In terms of h the density of their eq. 7 becomes W(h) / ((1 + h²) sin2φ), without
    singularity; W is flat to |H − S| and falls to 0 at H + S. The midpoints of equal pieces of
    h stand for it, as many as keep neighbours within half a width.
    """
    s, h = condition.s_l, condition.h_l
    cosine = math.cos(math.radians(two_theta))
    farthest = min(max(cosine * math.sqrt(1 + (s + h) ** 2), -1.0), 1.0)
    spread = abs(math.degrees(math.acos(farthest)) - two_theta)
    pieces = 1
    if spread > _NEGLIGIBLE_SPREAD * fwhm:
        pieces = min(3 + math.ceil(4 * spread / fwhm), _MOST_PIECES)
    centres, weights = np.empty(pieces), np.empty(pieces)
    total = 0.0
    for i in range(pieces):
        height = (s + h) * (i + 0.5) / pieces
        stretched = 1 + height * height
        projected = cosine * math.sqrt(stretched)
        weights[i] = 0.0
        if abs(projected) < 1:
            seen = min(2 * min(s, h), s + h - height)
            weights[i] = seen / (stretched * math.sqrt(1 - projected * projected))
            centres[i] = (math.degrees(math.acos(projected)) - start) / step
        total += weights[i]
    for i in range(pieces):
        if weights[i] > 0:
            area = intensity * weights[i] / total / step
            _add_peak(pattern, centres[i], area, fwhm / step, eta)


@kernel
def _add_peak(
    pattern: Float32[np.ndarray, " points"], centre: float, area: float, fwhm: float, eta: float
) -> None:
    """Adds a pseudo-Voigt function; position, width and area in steps of the grid."""
    if eta > 0:
        _add_lorentz(pattern, centre, fwhm, eta * area)
    if eta < 1:
        _add_gauss(pattern, centre, fwhm, (1 - eta) * area)


@kernel
def _covered(centre: float, reach: float, n_points: int) -> tuple[int, int]:
    """Returns the range of grid points within reach of a centre, all in steps of the grid."""
    first = max(math.ceil(centre - reach), 0)
    return first, max(min(math.floor(centre + reach) + 1, n_points), first)


@kernel
def _add_lorentz(
    pattern: Float32[np.ndarray, " points"], centre: float, fwhm: float, area: float
) -> None:
    first, end = _covered(centre, _LORENTZ_REACH * fwhm, len(pattern))
    height = np.float32(area * _LORENTZ_HEIGHT / fwhm)
    scale = np.float32(2 / fwhm)
    offset = np.float32((first - centre) * 2 / fwhm)
    one = np.float32(1)
    points = pattern[first:end]
    for i in range(len(points)):
        x = offset + scale * np.float32(np.int32(i))
        points[i] += height / (one + x * x)


@kernel
def _add_gauss(
    pattern: Float32[np.ndarray, " points"], centre: float, fwhm: float, area: float
) -> None:
    """Adds a Gauss function.

    exp(−y) is computed as exp(y/16) to the power −16, with the Taylor series to fifth order: off by
    less than 2e-7 of the height where the function is drawn, and made of nothing but vector
    instructions, unlike a call of the exponential function.
    """
    first, end = _covered(centre, _GAUSS_REACH * fwhm, len(pattern))
    height = np.float32(area * _GAUSS_HEIGHT / fwhm)
    half_widths = 2 / fwhm * math.sqrt(_LN2 / 16)
    scale = np.float32(half_widths)
    offset = np.float32((first - centre) * half_widths)
    one = np.float32(1)
    c2, c3, c4, c5 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
    points = pattern[first:end]
    for i in range(len(points)):
        x = offset + scale * np.float32(np.int32(i))
        y = x * x
        power = one / (one + y * (one + y * (c2 + y * (c3 + y * (c4 + y * c5)))))
        power *= power
        power *= power
        power *= power
        power *= power
        points[i] += height * power
