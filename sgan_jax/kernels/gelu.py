"""The Gaussian error linear unit of rows, in compiled functions."""

import numpy as np

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.vectors import (
    Lanes,
    absolute,
    bits_as_float,
    fma,
    is_greater,
    nearest,
    reciprocal,
    select,
    splat,
    to_int,
)

_f = np.float32
_INVERSE_SQRT_TWO_PI = _f(0.3989422804014327)
_LOG2_E_HALF = _f(-0.7213475204444817)
_P = _f(0.4 / np.sqrt(2))
# exp(z²)·erfc(z) = t·(c₀ + c₁t + …) with t = 1/(1 + 0.4 z), z ≥ 0; fitted to 1.3e-7 relative.
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8 = (
    _f(c)
    for c in (
        0.22567587,
        0.22566915,
        0.20784851,
        0.16850563,
        0.14155665,
        -0.0058557,
        0.16936659,
        -0.18307036,
        0.05030379,
    )
)
# 2^r for |r| ≤ 1/2: its series.
_E1, _E2, _E3, _E4, _E5, _E6 = (
    _f(np.log(2) ** n / d) for n, d in ((1, 1), (2, 2), (3, 6), (4, 24), (5, 120), (6, 720))
)


@kernel
def bell(x: Lanes) -> Lanes:
    """exp(−x²/2), to float32 precision; at least 2⁻¹²⁶."""
    exponent = x * x * _LOG2_E_HALF
    least = splat(_f(-126), x)
    exponent = select(is_greater(exponent, least), exponent, least)
    whole = nearest(exponent)
    r = exponent - whole
    power = fma(r, splat(_E6, x), _E5)
    power = fma(r, power, _E4)
    power = fma(r, power, _E3)
    power = fma(r, power, _E2)
    power = fma(r, power, _E1)
    power = fma(r, power, _f(1))
    return power * bits_as_float((to_int(whole) + np.uint32(127)) << np.uint32(23))


@kernel
def cumulative(x: Lanes, bell_of_x: Lanes) -> Lanes:
    """Φ(x) of the standard normal distribution, from x and exp(−x²/2)."""
    t = reciprocal(fma(absolute(x), splat(_P, x), _f(1)))
    q = fma(t, splat(_C8, x), _C7)
    q = fma(t, q, _C6)
    q = fma(t, q, _C5)
    q = fma(t, q, _C4)
    q = fma(t, q, _C3)
    q = fma(t, q, _C2)
    q = fma(t, q, _C1)
    q = fma(t, q, _C0)
    tail = q * t * bell_of_x * _f(0.5)
    return select(is_greater(x, splat(_f(0), x)), splat(_f(1), x) - tail, tail)


@kernel
def gelu(x: Lanes) -> Lanes:
    """x·Φ(x)."""
    return x * cumulative(x, bell(x))


@kernel
def gelu_and_slope(x: Lanes) -> tuple[Lanes, Lanes]:
    """x·Φ(x) and its derivative."""
    b = bell(x)
    phi = cumulative(x, b)
    return x * phi, fma(x, b * _INVERSE_SQRT_TWO_PI, phi)
