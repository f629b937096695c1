"""Convolutions along a pattern, forwards and for the weights' gradient.

Both keep eight rows of output channels in registers, as wide as these allow, so that each weight or
value that is loaded serves eight multiplications.
"""

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.calls import (
    argument,
    bits,
    custom_call,
    element,
    length,
    offset,
    result,
    result_length,
)
from sgan_jax.kernels.vectors import WIDE_REGISTERS, Pointer, fma, load, store, zeros

LANES = 32 if WIDE_REGISTERS else 8
"""Output channels must be a multiple of this.

Eight rows of 32 take half of the registers of AVX-512, but twice as many as AVX2 has, where they
are half as fast as rows of 8: sums that do not fit are written and read at every step.
"""

ROWS = 8
"""For the weights' gradient, input channels must be a multiple of this."""

GROUPS = 16
"""Parts of a batch whose weight gradients are added up at the end: as many threads can work."""

_TILE = 128  # points whose cotangents stay in the first cache while all taps pass over them


@kernel
def _eight_points(
    x: Pointer,
    step: int,
    weight: Pointer,
    count: int,
    stride: int,
    out: Pointer,
    far: int,
) -> None:
    """Sums of `count` products for eight points `step` apart, into rows `far` apart."""
    a = zeros(LANES)
    b, c, d, e, f, g, h = a, a, a, a, a, a, a
    for m in range(count):
        row = load(weight, m * stride, a)
        a = fma(element(x, m), row, a)
        b = fma(element(x, m + step), row, b)
        c = fma(element(x, m + 2 * step), row, c)
        d = fma(element(x, m + 3 * step), row, d)
        e = fma(element(x, m + 4 * step), row, e)
        f = fma(element(x, m + 5 * step), row, f)
        g = fma(element(x, m + 6 * step), row, g)
        h = fma(element(x, m + 7 * step), row, h)
    store(out, 0, a)
    store(out, far, b)
    store(out, 2 * far, c)
    store(out, 3 * far, d)
    store(out, 4 * far, e)
    store(out, 5 * far, f)
    store(out, 6 * far, g)
    store(out, 7 * far, h)


@kernel
def _one_point(
    x: Pointer, first: int, end: int, weight: Pointer, stride: int, out: Pointer
) -> None:
    row = zeros(LANES)
    for m in range(first, end):
        row = fma(element(x, m), load(weight, m * stride, row), row)
    store(out, 0, row)


@kernel
def convolution_forward(frame: int, example: int) -> None:
    """Arguments: sequence, weight, [stride, padding]. Result: the convolved sequence."""
    points, inputs = length(frame, 0, 1), length(frame, 0, 2)
    taps, channels = length(frame, 1, 0), length(frame, 1, 2)
    stride, padding = int(bits(argument(frame, 2), 0)), int(bits(argument(frame, 2), 1))
    outputs = result_length(frame, 0, 1)
    x = offset(argument(frame, 0), example * points * inputs)
    out = offset(result(frame, 0), example * outputs * channels)
    # Points from the first to before the last of these see no padding.
    inner = (padding + stride - 1) // stride
    outer = max((points + padding - taps) // stride + 1, inner)
    for channel in range(0, channels, LANES):
        weight = offset(argument(frame, 1), channel)
        q = 0
        while q < outputs:
            if inner <= q < outer and outer - inner >= ROWS:
                first = min(q, outer - ROWS)  # the last eight may be done twice in part
                _eight_points(
                    offset(x, (stride * first - padding) * inputs),
                    stride * inputs,
                    weight,
                    taps * inputs,
                    channels,
                    offset(out, first * channels + channel),
                    channels,
                )
                q = first + ROWS
            else:
                begin = (stride * q - padding) * inputs
                low, high = max(-begin, 0), min(taps * inputs, points * inputs - begin)
                place = offset(out, q * channels + channel)
                _one_point(offset(x, begin), low, high, weight, channels, place)
                q += 1


@kernel
def _eight_inputs(
    x: Pointer,
    step: int,
    d: Pointer,
    far: int,
    count: int,
    out: Pointer,
    stride: int,
) -> None:
    """Adds, for eight input channels, the sum over `count` points of value times cotangent row."""
    like = zeros(LANES)
    a, b = load(out, 0, like), load(out, stride, like)
    c, e = load(out, 2 * stride, like), load(out, 3 * stride, like)
    f, g = load(out, 4 * stride, like), load(out, 5 * stride, like)
    h, i = load(out, 6 * stride, like), load(out, 7 * stride, like)
    for q in range(count):
        row, at = load(d, q * far, like), q * step
        a = fma(element(x, at), row, a)
        b = fma(element(x, at + 1), row, b)
        c = fma(element(x, at + 2), row, c)
        e = fma(element(x, at + 3), row, e)
        f = fma(element(x, at + 4), row, f)
        g = fma(element(x, at + 5), row, g)
        h = fma(element(x, at + 6), row, h)
        i = fma(element(x, at + 7), row, i)
    store(out, 0, a)
    store(out, stride, b)
    store(out, 2 * stride, c)
    store(out, 3 * stride, e)
    store(out, 4 * stride, f)
    store(out, 5 * stride, g)
    store(out, 6 * stride, h)
    store(out, 7 * stride, i)


@kernel
def _add_weight_gradient(
    x: Pointer,
    d: Pointer,
    out: Pointer,
    points: int,
    inputs: int,
    outputs: int,
    channels: int,
    taps: int,
    stride: int,
    padding: int,
) -> None:
    """Adds one example's part."""
    for tile in range(0, outputs, _TILE):
        for channel in range(0, channels, LANES):
            for tap in range(taps):
                first = max(tile, (max(padding - tap, 0) + stride - 1) // stride)
                behind = (points - 1 + padding - tap) // stride + 1
                count = min(tile + _TILE, outputs, behind) - first
                begin = (stride * first + tap - padding) * inputs
                for low in range(0, inputs, ROWS):
                    _eight_inputs(
                        offset(x, begin + low),
                        stride * inputs,
                        offset(d, first * channels + channel),
                        channels,
                        count,
                        offset(out, (tap * inputs + low) * channels + channel),
                        channels,
                    )


@kernel
def convolution_weight_gradient(frame: int, group: int) -> None:
    """Arguments: sequence, cotangent of the output, [stride, padding].

    Result: the weight's cotangent, in as many parts as the result has groups of examples.
    """
    batch, points, inputs = length(frame, 0, 0), length(frame, 0, 1), length(frame, 0, 2)
    outputs, channels = length(frame, 1, 1), length(frame, 1, 2)
    groups, taps = result_length(frame, 0, 0), result_length(frame, 0, 1)
    stride, padding = int(bits(argument(frame, 2), 0)), int(bits(argument(frame, 2), 1))
    out = offset(result(frame, 0), group * taps * inputs * channels)
    nothing = zeros(LANES)
    for at in range(0, taps * inputs * channels, LANES):
        store(out, at, nothing)
    for example in range(group, batch, groups):
        x = offset(argument(frame, 0), example * points * inputs)
        d = offset(argument(frame, 1), example * outputs * channels)
        sizes = (points, inputs, outputs, channels, taps, stride, padding)
        _add_weight_gradient(x, d, out, *sizes)


forward = custom_call(convolution_forward)
weight_gradient = custom_call(convolution_weight_gradient)
