"""LeakyReLU and batch normalisation as one operation, for the generator.

Compiled kernels on CPUs, plain JAX elsewhere: one function in two forms, as in `fused`.
"""

import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sgan_jax import kernels
from sgan_jax.kernels import leaky
from sgan_jax.models.layers import Affine

_EPSILON = 1e-4  # as in the paper's code


class Moments(NamedTuple):
    """Mean and variance by channel."""

    mean: Float[Array, "channels"]
    var: Float[Array, "channels"]


def leaky_scaled(
    x: Float[Array, "batch points channels"], affine: Affine, moments: Moments
) -> Float[Array, "batch points channels"]:
    """LeakyReLU, normalised by given moments."""
    scale = affine.scale * jax.lax.rsqrt(moments.var + _EPSILON)
    return _leaky(x) * scale + (affine.bias - moments.mean * scale)


def leaky_normalised(
    x: Float[Array, "batch points channels"], affine: Affine, axis_name: str | None
) -> tuple[Float[Array, "batch points channels"], Moments]:
    """LeakyReLU, normalised by the moments of the whole batch; and these.

    Args:
        x: A layer.
        affine: Scale and bias of the normalised layer.
        axis_name: Mapped axis over which the moments are averaged, None outside of one.

    Returns:
        The normalised layer; and the moments, through which no gradient flows.
    """
    if kernels.serve(x) and x.shape[2] == leaky.CHANNELS:
        out, moments = cast(tuple[Array, Moments], _compiled(axis_name, x, *affine))
    else:
        moments = _moments(_plain_sums(x), x, axis_name)
        out = leaky_scaled(x, affine, moments)
    return out, jax.lax.stop_gradient(moments)


def _leaky(x: Array) -> Array:
    return jnp.where(x > 0, x, leaky.SLOPE * x)


def _mean_over_devices(x: Any, axis_name: str | None) -> Any:  # noqa: ANN401
    return x if axis_name is None else jax.lax.pmean(x, axis_name)


def _plain_sums(x: Array) -> Float[Array, "2 channels"]:
    h = _leaky(x)
    return jnp.stack([h.sum(axis=(0, 1)), (h * h).sum(axis=(0, 1))])


def _moments(sums: Float[Array, "2 channels"], x: Array, axis_name: str | None) -> Moments:
    mean, square = _mean_over_devices(sums / (x.shape[0] * x.shape[1]), axis_name)
    return Moments(mean, jnp.maximum(square - mean * mean, 0))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _compiled(axis_name: str | None, x: Array, scale: Array, bias: Array) -> tuple[Array, Moments]:
    sums = leaky.sums(_per_example(x), x).sum(axis=0)
    moments = _moments(sums, x, axis_name)
    factor = scale * jax.lax.rsqrt(moments.var + _EPSILON)
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return leaky.scaled(shape, x, factor, bias - moments.mean * factor), moments


def _compiled_forward(
    axis_name: str | None, x: Array, scale: Array, bias: Array
) -> tuple[tuple[Array, Moments], tuple[Array, Array, Moments]]:
    out, moments = cast(tuple[Array, Moments], _compiled(axis_name, x, scale, bias))
    return (out, moments), (x, scale, moments)


def _compiled_backward(
    axis_name: str | None,
    residuals: tuple[Array, Array, Moments],
    cotangents: tuple[Array, Moments],
) -> tuple[Array, Array, Array]:
    """With ĥ the normalised h, dh = scale/σ · (d − ⟨d⟩ − ĥ·⟨d·ĥ⟩), means over all devices."""
    x, scale, (mean, var) = residuals
    d, _ = cotangents
    inverse = jax.lax.rsqrt(var + _EPSILON)
    d_bias, products = leaky.products(_per_example(x), x, d).sum(axis=0)
    d_scale = inverse * (products - mean * d_bias)
    count = x.shape[0] * x.shape[1]
    mean_d, mean_product = _mean_over_devices((d_bias / count, d_scale / count), axis_name)
    factor = scale * inverse
    of_h = -factor * inverse * mean_product
    constant = -factor * mean_d - of_h * mean
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return leaky.pull_back(shape, x, d, factor, of_h, constant), d_scale, d_bias


_compiled.defvjp(_compiled_forward, _compiled_backward)


def _per_example(x: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((x.shape[0], 2, x.shape[2]), x.dtype)
