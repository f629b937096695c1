"""Convolutions along the pattern, in (batch, position, channel) layout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sgan_jax import kernels
from sgan_jax.kernels import convolution, last

# On CPUs, XLA's own convolutions are as fast where sequences are short or kernels large.
_FEWEST_OUTPUTS, _FEWEST_OUTPUTS_OF_GRADIENT, _LARGEST_KERNEL = 28, 64, 2**15


def convolve(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
    padding: int,
) -> Float[Array, "batch shorter channels"]:
    """Cross-correlation of every channel with `weight`, with zeros as padding at both ends.

    Sequences hardly longer than the kernel, most of whose taps meet padding, are multiplied by
    one matrix instead: up to 20 times faster on CPUs.
    """
    if x.shape[1] <= 2 * weight.shape[0]:
        return _convolve_densely(x, weight, stride, padding)
    if _is_compiled(x, weight, stride, padding):
        return _convolve_compiled(x, weight, stride, padding)
    return convolve_plainly(x, weight, stride, padding)


def convolve_plainly(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
    padding: int,
) -> Float[Array, "batch shorter channels"]:
    """The definition of `convolve`, as XLA has it."""
    return jax.lax.conv_general_dilated(
        x, weight, (stride,), ((padding, padding),), dimension_numbers=("NWC", "WIO", "NWC")
    )


def _convolve_densely(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
    padding: int,
) -> Float[Array, "batch shorter channels"]:
    """The same as a product with the matrix from all inputs to all outputs."""
    batch, length, inputs = x.shape
    kernel, _, channels = weight.shape
    outputs = _outputs(length, kernel, stride, padding)
    reach = stride * (outputs - 1)
    # Output q sees input l through tap l + padding − stride·q.
    taps = jnp.pad(weight, ((reach, max(length + padding - kernel, 0)), (0, 0), (0, 0)))
    begins = [padding + reach - stride * q for q in range(outputs)]
    matrix = jnp.stack([taps[begin : begin + length] for begin in begins], axis=2)
    matrix = matrix.reshape(length * inputs, outputs * channels)
    return (x.reshape(batch, length * inputs) @ matrix).reshape(batch, outputs, channels)


def _outputs(length: int, kernel: int, stride: int, padding: int) -> int:
    return (length + 2 * padding - kernel) // stride + 1


def _is_compiled(x: Array, weight: Array, stride: int, padding: int) -> bool:
    return (
        kernels.serve(x)
        and weight.shape[2] % convolution.LANES == 0
        and weight.size <= _LARGEST_KERNEL
        and _outputs(x.shape[1], weight.shape[0], stride, padding) >= _FEWEST_OUTPUTS
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve_compiled(x: Array, weight: Array, stride: int, padding: int) -> Array:
    outputs = _outputs(x.shape[1], weight.shape[0], stride, padding)
    shape = jax.ShapeDtypeStruct((x.shape[0], outputs, weight.shape[2]), x.dtype)
    return convolution.forward(shape, x, weight, np.array([stride, padding], np.uint32))


def _compiled_forward(
    x: Array, weight: Array, stride: int, padding: int
) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_compiled(x, weight, stride, padding), (x, weight)


def _compiled_backward(
    stride: int, padding: int, residuals: tuple[Array, Array], d: Array
) -> tuple[Array, Array]:
    x, weight = residuals
    return (
        _input_gradient(x, weight, stride, padding, d),
        _weight_gradient(x, weight, stride, padding, d),
    )


_convolve_compiled.defvjp(_compiled_forward, _compiled_backward)


def _input_gradient(x: Array, weight: Array, stride: int, padding: int, d: Array) -> Array:
    kernel, length = weight.shape[0], x.shape[1]
    if stride == 1 and padding < kernel:
        return convolve(d, weight[::-1].transpose(0, 2, 1), 1, kernel - 1 - padding)
    if kernel < stride:  # most points see no tap: phases would multiply by zeros
        return jax.vjp(lambda x: convolve_plainly(x, weight, stride, padding), x)[1](d)[0]
    padded = convolve_transposed(d, weight.transpose(0, 2, 1), stride)
    behind = max(length + padding - padded.shape[1], 0)
    return jnp.pad(padded, ((0, 0), (0, behind), (0, 0)))[:, padding : padding + length]


def _weight_gradient(x: Array, weight: Array, stride: int, padding: int, d: Array) -> Array:
    if x.shape[2] % convolution.ROWS or d.shape[1] < _FEWEST_OUTPUTS_OF_GRADIENT:
        return jax.vjp(lambda w: convolve_plainly(x, w, stride, padding), weight)[1](d)[0]
    groups = min(convolution.GROUPS, len(x))
    shape = jax.ShapeDtypeStruct((groups, *weight.shape), weight.dtype)
    settings = np.array([stride, padding], np.uint32)
    return convolution.weight_gradient(shape, x, d, settings).sum(axis=0)


def convolve_transposed(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
) -> Float[Array, "batch longer channels"]:
    """Transposed convolution written as one ordinary convolution with `stride` phases.

    Output point s·q + p needs only the kernel taps s·j + p, so the taps are regrouped into s·C
    output channels of a kernel s times shorter and the phases interleaved afterwards. This is
    exact, wastes no arithmetic on inserted zeros, and spares the slow weight gradient that XLA
    has for dilated inputs on CPUs.

    Args:
        x: Input sequence.
        weight: Entry [t, c, o] is what input channel c at point i adds to output channel o at
            point i·stride + t.
        stride: Upsampling factor.

    Returns:
        Sequence of length (length − 1)·stride + kernel.
    """
    batch, length, _ = x.shape
    kernel, inputs, channels = weight.shape
    to_one = (inputs, channels, stride) == (last.CHANNELS, 1, 1) and kernel <= last.LARGEST_KERNEL
    if to_one and kernels.serve(x):
        return _to_one_channel(x, weight[:, :, 0])[:, :, None]
    taps = -(-kernel // stride)
    padded = jnp.pad(weight, ((0, taps * stride - kernel), (0, 0), (0, 0)))
    phases = padded.reshape(taps, stride, inputs, channels)[::-1]
    phases = phases.transpose(0, 2, 1, 3).reshape(taps, inputs, stride * channels)
    if _is_compiled(x, phases, 1, taps - 1):
        y = convolve(x, phases, 1, taps - 1)
    else:
        # Zeros that have been written before spare XLA, on CPUs, a weight gradient that takes 50
        # times longer when the padding is its own affair.
        padded = jnp.pad(x, ((0, 0), (taps - 1, taps - 1), (0, 0)))
        y = convolve_plainly(jax.lax.optimization_barrier(padded), phases, 1, 0)
    y = y.reshape(batch, (length + taps - 1) * stride, channels)
    return y[:, : (length - 1) * stride + kernel]


@jax.custom_vjp
def _to_one_channel(x: Array, weight: Array) -> Array:
    shape = jax.ShapeDtypeStruct((x.shape[0], x.shape[1] + len(weight) - 1), x.dtype)
    return last.forward(shape, x, weight)


def _one_channel_forward(x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _to_one_channel(x, weight), (x, weight)


def _one_channel_backward(residuals: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    x, weight = residuals
    shapes = tuple(jax.ShapeDtypeStruct(s, x.dtype) for s in (x.shape, (len(x), *weight.shape)))
    dx, d_weight = last.backward(shapes, x, weight, d)
    return dx, d_weight.sum(axis=0)


_to_one_channel.defvjp(_one_channel_forward, _one_channel_backward)
