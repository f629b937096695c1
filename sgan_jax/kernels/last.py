"""The generator's last layer: a transposed convolution of stride 1 into a single channel."""

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.calls import (
    argument,
    custom_call,
    element,
    length,
    offset,
    result,
    result_length,
    set_element,
)
from sgan_jax.kernels.vectors import Pointer, fma, load, scratch, store, total, zeros

CHANNELS = 32
LARGEST_KERNEL = 32
"""Most taps."""

_ACCUMULATED = LARGEST_KERNEL * CHANNELS


@kernel
def last_forward(frame: int, example: int) -> None:
    """Arguments: sequence, weight (taps, channels). Result: point i is Σₜ x[i − t]·w[t]."""
    points, taps = length(frame, 0, 1), length(frame, 1, 0)
    x = offset(argument(frame, 0), example * points * CHANNELS)
    weight = argument(frame, 1)
    out = offset(result(frame, 0), example * (points + taps - 1))
    for i in range(points + taps - 1):
        row = zeros(CHANNELS)
        for tap in range(max(0, i - points + 1), min(taps, i + 1)):
            value = load(x, (i - tap) * CHANNELS, row)
            row = fma(value, load(weight, tap * CHANNELS, row), row)
        set_element(out, i, total(row))


@kernel
def _add_products(x: Pointer, d: Pointer, points: int, taps: int, out: Pointer) -> None:
    like = zeros(CHANNELS)
    for q in range(points):
        row = load(x, q * CHANNELS, like)
        for tap in range(taps):
            at = tap * CHANNELS
            store(out, at, fma(element(d, q + tap), row, load(out, at, like)))


@kernel
def last_backward(frame: int, example: int) -> None:
    """Arguments: sequence, weight, cotangent of the result.

    Results: cotangents of the sequence and, for each example, of the weight.
    """
    points, taps = length(frame, 0, 1), length(frame, 1, 0)
    x = offset(argument(frame, 0), example * points * CHANNELS)
    weight = argument(frame, 1)
    d = offset(argument(frame, 2), example * (points + taps - 1))
    dx = offset(result(frame, 0), example * points * CHANNELS)
    d_weight = offset(result(frame, 1), example * result_length(frame, 1, 1) * CHANNELS)
    sums = scratch(_ACCUMULATED)
    for tap in range(taps):
        store(sums, tap * CHANNELS, zeros(CHANNELS))
    _add_products(x, d, points, taps, sums)
    for tap in range(taps):
        store(d_weight, tap * CHANNELS, load(sums, tap * CHANNELS, zeros(CHANNELS)))
    for q in range(points):
        row = zeros(CHANNELS)
        for tap in range(taps):
            row = fma(element(d, q + tap), load(weight, tap * CHANNELS, row), row)
        store(dx, q * CHANNELS, row)


forward = custom_call(last_forward)
backward = custom_call(last_backward)
