"""The classifier's stem in one pass: convolution, dropout, layer norm, GELU and max pool.

Nothing of the 3029 × 32 values between pattern and pooled output leaves the cache, where a few
points at a time go from step to step. The backward pass computes them again.

Where the network has a channel for coverage, points that were not measured are negative in the
pattern. Both channels of such a point are 0; elsewhere the second is 1, so that over whole windows
it adds the sum of its taps.
"""

import numpy as np

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
    set_element,
)
from sgan_jax.kernels.channels import drop, normalise, pull_back
from sgan_jax.kernels.gelu import gelu, gelu_and_slope
from sgan_jax.kernels.vectors import (
    Lanes,
    Pointer,
    fma,
    is_greater,
    load,
    reciprocal,
    scratch,
    select,
    splat,
    store,
    total,
    zeros,
)

_f = np.float32
CHANNELS = 32
TAPS = 13
_SHARE = _f(1 / CHANNELS)
LARGEST_WINDOW = 8
"""Longest pooling window."""

_SPAN = LARGEST_WINDOW  # points that are treated together, where no window says how many
_RING = 32  # points whose cotangents are remembered: at least a window and the taps
_SPAN_VALUES, _RING_VALUES = _SPAN * CHANNELS, _RING * CHANNELS
_WINDOW = 2  # place of the pooling window's length in the settings, after seed and threshold


@kernel
def _larger(a: Lanes, b: Lanes) -> Lanes:
    return select(is_greater(a, b), a, b)


@kernel
def _is_covered(x: Pointer) -> bool:
    """Whether all of a window was measured."""
    least = element(x, 0)
    for tap in range(1, TAPS):
        least = min(least, element(x, tap))
    return least >= 0


@kernel
def _sum_of_taps(weight: Pointer) -> Lanes:
    row = load(weight, 0, zeros(CHANNELS))
    for tap in range(1, TAPS):
        row = row + load(weight, tap * CHANNELS, row)
    return row


@kernel
def _partly_covered(x: Pointer, weight: Pointer, coverage: Pointer) -> Lanes:
    """The convolution of both channels where some of the window was not measured."""
    row = zeros(CHANNELS)
    for tap in range(TAPS):
        value = element(x, tap)
        if value >= 0:
            row = fma(value, load(weight, tap * CHANNELS, row), row)
            row = row + load(coverage, tap * CHANNELS, row)
    return row


@kernel
def _normalised_points(
    x: Pointer,
    weight: Pointer,
    coverage: Pointer,
    covered: Lanes,
    two: bool,
    begin: int,
    end: int,
    first: int,
    settings: Pointer,
    rows: Pointer,
    inverses: Pointer,
) -> None:
    """Channels of some points after the layer norm, without its scale and bias; and 1/σ.

    One step for all points, then the next: within a point each waits for the one before.

    Args:
        x: Pointer to the pattern.
        weight: Pointer to the taps.
        coverage: Pointer to the taps of the channel for coverage.
        covered: Their sum; zeros if there is no such channel.
        two: Whether there is one.
        begin: First point.
        end: Behind the last one.
        first: Number of the first value of point 0 among all of the layer's.
        settings: Pointer to seed and threshold.
        rows: Where the channels go.
        inverses: Where 1/σ goes.
    """
    for p in range(begin, end):
        at = offset(x, p)
        if two and not _is_covered(at):
            row = _partly_covered(at, weight, coverage)
        else:
            row = covered
            for tap in range(TAPS):
                row = fma(element(at, tap), load(weight, tap * CHANNELS, row), row)
        store(rows, (p - begin) * CHANNELS, drop(row, first + p * CHANNELS, settings))
    for j in range(end - begin):
        row, inverse = normalise(load(rows, j * CHANNELS, covered), _SHARE)
        store(rows, j * CHANNELS, row)
        set_element(inverses, j, inverse)


@kernel
def _groups(points: int, window: int) -> tuple[int, int, int]:
    """Points treated together, by how many the first group is short, and the number of groups."""
    span = window if window > 1 else _SPAN
    missing = window // 2
    if window > 1:  # what does not fill the last window, padding included, is dropped
        return span, missing, (points + 2 * missing - window) // window + 1
    return span, missing, (points + span - 1) // span


@kernel
def stem_forward(frame: int, example: int) -> None:
    """Result: the pooled activations.

    Arguments: patterns, weight, scale, bias, settings, and the taps of the channel for coverage,
    of which there are none where the network has no such channel.
    """
    grid = length(frame, 0, 1)
    points = grid - TAPS + 1
    x = offset(argument(frame, 0), example * grid)
    weight, settings = argument(frame, 1), argument(frame, 4)
    scale = load(argument(frame, 2), 0, zeros(CHANNELS))
    bias = load(argument(frame, 3), 0, zeros(CHANNELS))
    window = int(bits(settings, _WINDOW))
    two, coverage = length(frame, 5, 0) > 0, argument(frame, 5)
    covered = zeros(CHANNELS)
    if two:
        covered = _sum_of_taps(coverage)
    out = offset(result(frame, 0), example * result_length(frame, 0, 1) * CHANNELS)
    rows, inverses = scratch(_SPAN_VALUES), scratch(_SPAN)
    span, missing, groups = _groups(points, window)
    first = example * points * CHANNELS
    for group in range(groups):
        begin, end = max(group * span - missing, 0), min((group + 1) * span - missing, points)
        largest = splat(_f(-np.inf), scale)
        _normalised_points(
            x, weight, coverage, covered, two, begin, end, first, settings, rows, inverses
        )
        for p in range(begin, end):
            row = load(rows, (p - begin) * CHANNELS, scale)
            active = gelu(fma(row, scale, bias))
            if window > 1:
                largest = _larger(largest, active)
            else:
                store(out, p * CHANNELS, active)
        if window > 1:
            store(out, group * CHANNELS, largest)


@kernel
def _route(d: Lanes, active: Pointer, slope: Pointer, count: int) -> None:
    """Multiplies slopes by a window's cotangent `d` where the maximum is; equals share it."""
    largest = load(active, 0, d)
    for j in range(1, count):
        largest = _larger(largest, load(active, j * CHANNELS, d))
    one, zero = splat(_f(1), d), splat(_f(0), d)
    equals = zero
    for j in range(count):
        equals = equals + select(is_greater(largest, load(active, j * CHANNELS, d)), zero, one)
    d = d * reciprocal(equals)
    for j in range(count):
        lower = is_greater(largest, load(active, j * CHANNELS, d))
        store(slope, j * CHANNELS, select(lower, zero, d * load(slope, j * CHANNELS, d)))


@kernel
def _gather_pattern(dx: Pointer, begin: int, end: int, ring: Pointer, weight: Pointer) -> None:
    """Cotangents of pattern points, from those of the convolution's points before them."""
    for i in range(begin, end):
        row = zeros(CHANNELS)
        for tap in range(TAPS):
            at = ((i - tap) % _RING) * CHANNELS
            row = fma(load(ring, at, row), load(weight, tap * CHANNELS, row), row)
        set_element(dx, i, total(row))


@kernel
def _gather_coverage(x: Pointer, d: Lanes, d_coverage: Pointer) -> None:
    """Adds a point's cotangent to those of the taps that meet a measured point."""
    for tap in range(TAPS):
        if element(x, tap) >= 0:
            store(d_coverage, tap * CHANNELS, load(d_coverage, tap * CHANNELS, d) + d)


@kernel
def stem_backward(frame: int, example: int) -> None:
    """Arguments: those of `stem_forward`, and the cotangent of its result.

    Results, for each example: cotangents of weight, scale and bias, of the pattern unless that
    result is empty, and of the taps of the channel for coverage.
    """
    grid = length(frame, 0, 1)
    points = grid - TAPS + 1
    x = offset(argument(frame, 0), example * grid)
    weight, settings = argument(frame, 1), argument(frame, 4)
    scale = load(argument(frame, 2), 0, zeros(CHANNELS))
    bias = load(argument(frame, 3), 0, zeros(CHANNELS))
    window = int(bits(settings, _WINDOW))
    two, coverage = length(frame, 5, 0) > 0, argument(frame, 5)
    covered = zeros(CHANNELS)
    if two:
        covered = _sum_of_taps(coverage)
    d_out = offset(argument(frame, 6), example * length(frame, 6, 1) * CHANNELS)
    d_coverage = offset(result(frame, 4), example * length(frame, 5, 0) * CHANNELS)
    d_weight = offset(result(frame, 0), example * TAPS * CHANNELS)
    dx = offset(result(frame, 3), example * grid)
    towards_pattern = result_length(frame, 3, 1) > 0
    span, missing, groups = _groups(points, window)
    rows, active, slopes = scratch(_SPAN_VALUES), scratch(_SPAN_VALUES), scratch(_SPAN_VALUES)
    inverses, ring = scratch(_SPAN), scratch(_RING_VALUES)
    nothing = zeros(CHANNELS)
    for tap in range(TAPS):
        store(d_weight, tap * CHANNELS, nothing)
        if two:
            store(d_coverage, tap * CHANNELS, nothing)
    d_covered = nothing
    for j in range(_RING):
        store(ring, j * CHANNELS, nothing)
    d_scale, d_bias = nothing, nothing
    first = example * points * CHANNELS
    for group in range(groups):
        begin, end = max(group * span - missing, 0), min((group + 1) * span - missing, points)
        _normalised_points(
            x, weight, coverage, covered, two, begin, end, first, settings, rows, inverses
        )
        for p in range(begin, end):
            j = p - begin
            row = load(rows, j * CHANNELS, scale)
            value, slope = gelu_and_slope(fma(row, scale, bias))
            store(active, j * CHANNELS, value)
            if window == 1:
                slope = slope * load(d_out, p * CHANNELS, slope)
            store(slopes, j * CHANNELS, slope)
        if window > 1:
            _route(load(d_out, group * CHANNELS, nothing), active, slopes, end - begin)
        for p in range(begin, end):
            j = p - begin
            d, row = load(slopes, j * CHANNELS, nothing), load(rows, j * CHANNELS, nothing)
            d_scale, d_bias = fma(d, row, d_scale), d_bias + d
            store(slopes, j * CHANNELS, pull_back(d * scale, row, element(inverses, j), _SHARE))
        for p in range(begin, end):
            d = drop(load(slopes, (p - begin) * CHANNELS, nothing), first + p * CHANNELS, settings)
            store(ring, (p % _RING) * CHANNELS, d)
            if two:
                if _is_covered(offset(x, p)):
                    d_covered = d_covered + d
                else:
                    _gather_coverage(offset(x, p), d, d_coverage)
        for tap in range(TAPS):
            row = load(d_weight, tap * CHANNELS, nothing)
            for p in range(begin, end):
                value = element(x, p + tap)
                if two:
                    value = max(value, _f(0))
                row = fma(value, load(ring, (p % _RING) * CHANNELS, row), row)
            store(d_weight, tap * CHANNELS, row)
        if towards_pattern:
            _gather_pattern(dx, begin, end, ring, weight)
    if two:
        for tap in range(TAPS):
            row = load(d_coverage, tap * CHANNELS, nothing)
            store(d_coverage, tap * CHANNELS, row + d_covered)
    store(result(frame, 1), example * CHANNELS, d_scale)
    store(result(frame, 2), example * CHANNELS, d_bias)
    if towards_pattern:
        last = (groups * span - missing) if groups * span - missing < points else points
        for i in range(last, grid):
            store(ring, (i % _RING) * CHANNELS, nothing)
            _gather_pattern(dx, i, i + 1, ring, weight)


forward = custom_call(stem_forward)
backward = custom_call(stem_backward)
