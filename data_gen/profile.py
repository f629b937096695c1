"""From a stick list to a pattern: every reflection becomes a pseudo-Voigt peak."""

import math

import numpy as np
from jaxtyping import Float32, Float64

from data_gen.compiled import kernel
from data_gen.instrument import Instrument

_LORENTZ_REACH = 10.0  # in FWHM, to either side
_GAUSS_REACH = 1.9
_NEGLIGIBLE = 1e-6  # of the strongest reflection: not drawn

# What would lie beyond the reach is put back by dividing through the part within it.
_LN2 = math.log(2)
_LORENTZ_HEIGHT = 2 / math.pi / (2 / math.pi * math.atan(2 * _LORENTZ_REACH))
_GAUSS_HEIGHT = 2 * math.sqrt(_LN2 / math.pi) / math.erf(2 * math.sqrt(_LN2) * _GAUSS_REACH)


def render(
    two_theta: Float64[np.ndarray, " n"],
    intensity: Float64[np.ndarray, " n"],
    instrument: Instrument,
) -> Float32[np.ndarray, " points"]:
    """Draws reflections as peaks of the instrument's width and shape.

    The Lorentz part is drawn to ±10 FWHM and the Gauss part to ±1.9; what is cut off is made up
    for, so that the sum over the grid times its step is the intensity. Reflections below 1e-6 of
    the strongest are not drawn.

    Args:
        two_theta: Positions in degrees; those outside the grid reach in with their tails.
        intensity: Areas of the peaks.
        instrument: Grid, width and shape.

    Returns:
        The pattern on the instrument's grid, in units of intensity per degree.
    """
    return _render(
        two_theta,
        intensity,
        instrument.two_theta_min,
        instrument.two_theta_step,
        len(instrument.two_theta),
        (instrument.u, instrument.v, instrument.w),
        instrument.eta,
    )


@kernel
def _render(
    two_theta: Float64[np.ndarray, " n"],
    intensity: Float64[np.ndarray, " n"],
    start: float,
    step: float,
    n_points: int,
    caglioti: tuple[float, float, float],
    eta: float,
) -> Float32[np.ndarray, " points"]:
    pattern = np.zeros(n_points, dtype=np.float32)
    threshold = 0.0
    for value in intensity:
        threshold = max(threshold, _NEGLIGIBLE * value)
    u, v, w = caglioti
    for q in range(len(two_theta)):
        if intensity[q] <= threshold:
            continue
        tangent = math.tan(math.radians(two_theta[q] / 2))
        fwhm = math.sqrt(max((u * tangent + v) * tangent + w, step * step)) / step
        centre = (two_theta[q] - start) / step
        area = intensity[q] / step
        if eta > 0:
            _add_lorentz(pattern, centre, fwhm, eta * area)
        if eta < 1:
            _add_gauss(pattern, centre, fwhm, (1 - eta) * area)
    return pattern


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
