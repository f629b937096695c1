"""The discriminator's layers as fused operations: compiled kernels on CPUs, plain JAX elsewhere.

Everything between a convolution's output and the next convolution's input is one operation, which
keeps nothing for its backward pass but its inputs. Both forms compute the same function, dropout
masks included; the plain one is the definition, to which tests hold the kernels.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from sgan_jax import kernels
from sgan_jax.kernels import channels, normalisation, stem
from sgan_jax.models.convolutions import convolve_plainly
from sgan_jax.models.layers import Affine


class Dropout(NamedTuple):
    """Which values of a layer are dropped.

    Attributes:
        seed: Decides together with a value's place in the layer.
        rate: Share of the values.
    """

    seed: UInt32[Array, ""] | np.uint32
    rate: float

    @property
    def threshold(self) -> np.uint32:
        """Values whose number, out of 2³², is below this are dropped."""
        return np.uint32(min(round(self.rate * 2**32), 2**32 - 1))


NO_DROPOUT = Dropout(np.uint32(0), 0.0)


def stem_block(
    patterns: Float[Array, "batch grid"],
    weight: Float[Array, "taps inputs channels"],
    affine: Affine,
    dropout: Dropout,
    window: int,
) -> Float[Array, "batch points channels"]:
    """Convolution, dropout, layer norm, GELU and max pool.

    Args:
        patterns: Powder patterns. With two inputs, points that were not measured are negative.
        weight: Taps of the convolution, which pads nothing. The first input is the intensity, a
            second one is 1 where it was measured and 0 elsewhere; there the intensity is 0, too.
        affine: Of the layer norm.
        dropout: Of the convolution's output.
        window: Length of the pooling windows, padded by half of it; 1 pools nothing.
    """
    settings = _settings(dropout, window)
    taps, inputs, channels = weight.shape
    fits = (taps, channels) == (stem.TAPS, stem.CHANNELS) and window <= stem.LARGEST_WINDOW
    if fits and kernels.serve(patterns):
        coverage = weight[:, 1:] if inputs > 1 else jnp.zeros((0, 1, channels), weight.dtype)
        return _fused_stem(window, patterns, weight[:, :1], *affine, settings, coverage)
    return plain_stem(window, patterns, weight, *affine, settings)


def normalised_gelu(
    x: Float[Array, "batch points channels"],
    affine: Affine,
    dropout: Dropout,
    shortcut: tuple[Float[Array, "batch points channels"], Affine] | None = None,
) -> Float[Array, "batch points channels"]:
    """GELU of the dropped-out, normalised layer, to which a normalised shortcut may be added."""
    settings = _settings(dropout, 1)
    if shortcut is None:
        empty = jnp.zeros((x.shape[0], 0, x.shape[2]), x.dtype)
        shortcut = empty, Affine(jnp.zeros((0,), x.dtype), jnp.zeros((0,), x.dtype))
    function = plain_normalised_gelu
    if kernels.serve(x) and x.shape[2] in normalisation.WIDTHS:
        function = _fused_normalised_gelu
    return function(x, *affine, shortcut[0], *shortcut[1], settings)


def _settings(dropout: Dropout, window: int) -> UInt32[Array, "3"]:
    rest = np.array([dropout.threshold, window], np.uint32)
    return jnp.concatenate([jnp.asarray(dropout.seed, jnp.uint32)[None], rest])


# --- The plain form ---


def plain_stem(
    window: int, patterns: Array, weight: Array, scale: Array, bias: Array, settings: Array
) -> Array:
    """`stem_block` in plain JAX."""
    x = patterns[:, :, None]
    if weight.shape[1] > 1:
        measured = x >= 0
        x = jnp.concatenate([jnp.where(measured, x, 0), measured.astype(x.dtype)], axis=-1)
    x = _drop(convolve_plainly(x, weight, 1, 0), settings)
    x = jax.nn.gelu(_layer_norm(x, scale, bias), approximate=False)
    return x if window == 1 else max_pool(x, window, window // 2)


def plain_normalised_gelu(
    x: Array,
    scale: Array,
    bias: Array,
    shortcut: Array,
    shortcut_scale: Array,
    shortcut_bias: Array,
    settings: Array,
) -> Array:
    """`normalised_gelu` in plain JAX; without a shortcut its arrays are empty."""
    x = _layer_norm(_drop(x, settings), scale, bias)
    if shortcut.size:
        x = x + _layer_norm(shortcut, shortcut_scale, shortcut_bias)
    return jax.nn.gelu(x, approximate=False)


def _drop(x: Array, settings: UInt32[Array, "3"]) -> Array:
    """Drops values by a hash of their place: a tenth of the cost of random bits from a key."""
    seed, threshold = settings[0], settings[1]
    place = jax.lax.iota(jnp.uint32, x.size).reshape(x.shape)
    h = (place * np.uint32(0x9E3779B9)) ^ seed
    h = (h ^ (h >> 16)) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * np.uint32(0x846CA68B)
    h = h ^ (h >> 16)
    kept = 1 - threshold.astype(x.dtype) * x.dtype.type(2.0**-32)
    return jnp.where(h >= threshold, x / kept, 0)


def _layer_norm(x: Array, scale: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + x.dtype.type(channels.EPSILON)) * scale + bias


def max_pool(
    x: Float[Array, "batch length channels"], window: int, padding: int
) -> Float[Array, "batch shorter channels"]:
    """Maximum over adjacent, non-overlapping windows; the ends are padded with −∞.

    A trailing rest shorter than a window is dropped. Written as a reshape and a reduction, which
    is faster in both directions than a general window reduction.
    """
    batch, length, channels = x.shape
    windows = (length + 2 * padding - window) // window + 1
    right = windows * window - length - padding
    x = jax.lax.pad(x, -jnp.inf, ((0, 0, 0), (padding, right, 0), (0, 0, 0)))
    return x.reshape(batch, windows, window, channels).max(axis=2)


# --- The compiled form ---


def _like(*arrays: Array) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)


def _per_example(batch: int, *arrays: Array) -> tuple[jax.ShapeDtypeStruct, ...]:
    return tuple(jax.ShapeDtypeStruct((batch, *a.shape), a.dtype) for a in arrays)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _fused_stem(
    window: int,
    patterns: Array,
    weight: Array,
    scale: Array,
    bias: Array,
    settings: Array,
    coverage: Array,
) -> Array:
    batch, grid = patterns.shape
    points = grid - stem.TAPS + 1
    if window > 1:
        points = (points + 2 * (window // 2) - window) // window + 1
    shape = jax.ShapeDtypeStruct((batch, points, stem.CHANNELS), jnp.float32)
    return stem.forward(shape, patterns, weight, scale, bias, settings, coverage)


def _stem_forward(window: int, patterns: Any, *others: Any) -> tuple[Array, Any]:  # noqa: ANN401
    operands = (patterns.value, *(other.value for other in others))
    wanted = jnp.zeros((0, int(patterns.perturbed)))  # an array, as residuals must be; its shape
    return _fused_stem(window, *operands), (operands, wanted)


def _stem_backward(window: int, residuals: Any, d: Array) -> tuple[Array | None, ...]:  # noqa: ANN401
    operands, wanted = residuals
    patterns, weight, scale, bias, _, coverage = operands
    towards_patterns = jnp.zeros((len(patterns), patterns.shape[1] * wanted.shape[1]))
    results = (
        *_per_example(len(patterns), weight, scale, bias),
        *_like(towards_patterns),
        *_per_example(len(patterns), coverage),
    )
    d_weight, d_scale, d_bias, d_patterns, d_coverage = stem.backward(results, *operands, d)
    sums = (total.sum(axis=0) for total in (d_weight, d_scale, d_bias))
    if not wanted.shape[1]:
        d_patterns = jnp.zeros_like(patterns)
    elif len(coverage):  # the intensity of a point that was not measured is 0 whatever it says
        d_patterns = jnp.where(patterns >= 0, d_patterns, 0)
    return d_patterns, *sums, None, d_coverage.sum(axis=0)


_fused_stem.defvjp(_stem_forward, _stem_backward, symbolic_zeros=True)


@jax.custom_vjp
def _fused_normalised_gelu(x: Array, *others: Array) -> Array:
    return normalisation.forward(_like(x)[0], x, *others)


def _normalised_gelu_forward(*operands: Array) -> tuple[Array, tuple[Array, ...]]:
    return _fused_normalised_gelu(*operands), operands


def _normalised_gelu_backward(operands: tuple[Array, ...], d: Array) -> tuple[Array | None, ...]:
    x, scale, bias, shortcut, shortcut_scale, shortcut_bias, _ = operands
    results = (
        *_like(x),
        *_per_example(len(x), scale, bias),
        *_like(shortcut),
        *_per_example(len(x), shortcut_scale),
    )
    dx, d_scale, d_bias, d_shortcut, d_shortcut_scale = normalisation.backward(
        results, *operands, d
    )
    d_bias = d_bias.sum(axis=0)
    d_shortcut_bias = d_bias[: len(shortcut_bias)]
    return (
        dx,
        d_scale.sum(axis=0),
        d_bias,
        d_shortcut,
        d_shortcut_scale.sum(axis=0),
        d_shortcut_bias,
        None,
    )


_fused_normalised_gelu.defvjp(_normalised_gelu_forward, _normalised_gelu_backward)
