"""Dropout, layer norm, an optional normalised shortcut, and GELU, in one pass over a layer."""

import numpy as np

from data_gen.kernels.compiled import kernel
from sgan_jax.kernels.calls import argument, custom_call, length, result
from sgan_jax.kernels.channels import drop, normalise, pull_back
from sgan_jax.kernels.gelu import gelu, gelu_and_slope
from sgan_jax.kernels.vectors import Lanes, fma, load, store, zeros

_f = np.float32
WIDTHS = (32, 64)
"""Numbers of channels that these functions are made for."""


@kernel
def _forward_rows(frame: int, example: int, like: Lanes, channels: int) -> None:
    points, with_shortcut = length(frame, 0, 1), length(frame, 3, 1) > 0
    share, first = _f(1) / _f(channels), example * points * channels
    x, shortcut = argument(frame, 0), argument(frame, 3)
    scale, bias = load(argument(frame, 1), 0, like), load(argument(frame, 2), 0, like)
    settings, out = argument(frame, 6), result(frame, 0)
    scale_2, bias_2 = like, like
    if with_shortcut:
        scale_2, bias_2 = load(argument(frame, 4), 0, like), load(argument(frame, 5), 0, like)
    for at in range(first, first + points * channels, channels):
        row, _ = normalise(drop(load(x, at, like), at, settings), share)
        value = fma(row, scale, bias)
        if with_shortcut:
            row, _ = normalise(load(shortcut, at, like), share)
            value = value + fma(row, scale_2, bias_2)
        store(out, at, gelu(value))


@kernel
def normalisation_forward(frame: int, example: int) -> None:
    """Arguments: layer, scale, bias, shortcut with scale and bias (or empty), settings."""
    if length(frame, 0, 2) == 32:
        _forward_rows(frame, example, zeros(32), 32)
    else:
        _forward_rows(frame, example, zeros(64), 64)


@kernel
def _backward_rows(frame: int, example: int, like: Lanes, channels: int) -> None:
    points, with_shortcut = length(frame, 0, 1), length(frame, 3, 1) > 0
    share, first = _f(1) / _f(channels), example * points * channels
    x, shortcut = argument(frame, 0), argument(frame, 3)
    scale, bias = load(argument(frame, 1), 0, like), load(argument(frame, 2), 0, like)
    settings, d_out = argument(frame, 6), argument(frame, 7)
    dx, d_shortcut = result(frame, 0), result(frame, 3)
    scale_2, bias_2 = like, like
    if with_shortcut:
        scale_2, bias_2 = load(argument(frame, 4), 0, like), load(argument(frame, 5), 0, like)
    d_scale, d_bias, d_scale_2 = like, like, like
    row_2, inverse_2 = like, _f(0)
    for at in range(first, first + points * channels, channels):
        row, inverse = normalise(drop(load(x, at, like), at, settings), share)
        value = fma(row, scale, bias)
        if with_shortcut:
            row_2, inverse_2 = normalise(load(shortcut, at, like), share)
            value = value + fma(row_2, scale_2, bias_2)
        _, slope = gelu_and_slope(value)
        d = slope * load(d_out, at, like)
        d_scale, d_bias = fma(d, row, d_scale), d_bias + d
        store(dx, at, drop(pull_back(d * scale, row, inverse, share), at, settings))
        if with_shortcut:
            d_scale_2 = fma(d, row_2, d_scale_2)
            store(d_shortcut, at, pull_back(d * scale_2, row_2, inverse_2, share))
    store(result(frame, 1), example * channels, d_scale)
    store(result(frame, 2), example * channels, d_bias)
    if with_shortcut:
        store(result(frame, 4), example * channels, d_scale_2)


@kernel
def normalisation_backward(frame: int, example: int) -> None:
    """Arguments: those of `normalisation_forward`, and the cotangent of its result.

    Results: cotangents of the layer, of scale and bias for each example, of the shortcut and of
    its scale for each example (both empty without one); that of its bias is that of the bias.
    """
    if length(frame, 0, 2) == 32:
        _backward_rows(frame, example, zeros(32), 32)
    else:
        _backward_rows(frame, example, zeros(64), 64)


forward = custom_call(normalisation_forward)
backward = custom_call(normalisation_backward)
