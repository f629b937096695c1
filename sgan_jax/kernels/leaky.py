"""LeakyReLU and batch normalisation: the passes over a layer that the generator needs."""

import numpy as np

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.calls import argument, custom_call, length, offset, result
from sgan_jax.kernels.vectors import Lanes, fma, is_greater, load, select, splat, store, zeros

CHANNELS = 32
SLOPE = 0.2
"""Of the LeakyReLU below zero, and at it."""

_SLOPE = np.float32(SLOPE)
_PARTIAL = 64 * CHANNELS  # numbers summed before they join the others: less rounding


@kernel
def _leaky(x: Lanes) -> Lanes:
    return select(is_greater(x, splat(np.float32(0), x)), x, x * _SLOPE)


@kernel
def _slope(x: Lanes) -> Lanes:
    one = splat(np.float32(1), x)
    return select(is_greater(x, splat(np.float32(0), x)), one, one * _SLOPE)


@kernel
def leaky_sums(frame: int, example: int) -> None:
    """Argument: layer. Result for each example: sums of h and of h² over its points."""
    size = length(frame, 0, 1) * CHANNELS
    x = offset(argument(frame, 0), example * size)
    first, second = zeros(CHANNELS), zeros(CHANNELS)
    for begin in range(0, size, _PARTIAL):
        one, two = zeros(CHANNELS), zeros(CHANNELS)
        for at in range(begin, min(begin + _PARTIAL, size), CHANNELS):
            h = _leaky(load(x, at, one))
            one, two = one + h, fma(h, h, two)
        first, second = first + one, second + two
    store(result(frame, 0), example * 2 * CHANNELS, first)
    store(result(frame, 0), example * 2 * CHANNELS + CHANNELS, second)


@kernel
def leaky_scaled(frame: int, example: int) -> None:
    """Arguments: layer, scale, shift. Result: scale·h + shift."""
    size = length(frame, 0, 1) * CHANNELS
    x, out = offset(argument(frame, 0), example * size), offset(result(frame, 0), example * size)
    scale = load(argument(frame, 1), 0, zeros(CHANNELS))
    shift = load(argument(frame, 2), 0, scale)
    for at in range(0, size, CHANNELS):
        store(out, at, fma(_leaky(load(x, at, scale)), scale, shift))


@kernel
def leaky_products(frame: int, example: int) -> None:
    """Arguments: layer, cotangent d. Result for each example: sums of d and of d·h."""
    size = length(frame, 0, 1) * CHANNELS
    x, d = offset(argument(frame, 0), example * size), offset(argument(frame, 1), example * size)
    first, second = zeros(CHANNELS), zeros(CHANNELS)
    for begin in range(0, size, _PARTIAL):
        one, two = zeros(CHANNELS), zeros(CHANNELS)
        for at in range(begin, min(begin + _PARTIAL, size), CHANNELS):
            row = load(d, at, one)
            one, two = one + row, fma(row, _leaky(load(x, at, one)), two)
        first, second = first + one, second + two
    store(result(frame, 0), example * 2 * CHANNELS, first)
    store(result(frame, 0), example * 2 * CHANNELS + CHANNELS, second)


@kernel
def leaky_pull_back(frame: int, example: int) -> None:
    """Arguments: layer, cotangent d, a, b, c. Result: (a·d + b·h + c) times LeakyReLU's slope."""
    size = length(frame, 0, 1) * CHANNELS
    x, d = offset(argument(frame, 0), example * size), offset(argument(frame, 1), example * size)
    out = offset(result(frame, 0), example * size)
    a = load(argument(frame, 2), 0, zeros(CHANNELS))
    b, c = load(argument(frame, 3), 0, a), load(argument(frame, 4), 0, a)
    for at in range(0, size, CHANNELS):
        value = load(x, at, a)
        pulled = fma(a, load(d, at, a), fma(b, _leaky(value), c))
        store(out, at, pulled * _slope(value))


sums = custom_call(leaky_sums)
scaled = custom_call(leaky_scaled)
products = custom_call(leaky_products)
pull_back = custom_call(leaky_pull_back)
