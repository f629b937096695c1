"""One-dimensional building blocks shared by the discriminator and the generator.

Layout is (batch, position, channel) throughout. Initial weights follow PyTorch, with which the
paper was made: uniform in ±1/√fan_in.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

# Output points of the pieces into which long convolutions are cut; measured on x86 CPUs.
PIECE = 128


class Conv1D(nn.Module):
    """Convolution along the pattern, without bias.

    Attributes:
        channels: Output channels.
        kernel: Kernel length in points.
        stride: Step in points.
        padding: Zeros added at each end.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length inputs"]
    ) -> Float[Array, "batch shorter channels"]:
        """Convolves; output length is ⌊(length + 2·padding − kernel) / stride⌋ + 1."""
        shape = (self.kernel, x.shape[-1], self.channels)
        weight = self.param("kernel", _uniform("fan_in"), shape)
        return convolve(x, weight, self.stride, (self.padding, self.padding))


class ConvTranspose1D(nn.Module):
    """Transposed convolution (PyTorch's `ConvTranspose1d`), without bias or padding.

    Attributes:
        channels: Output channels.
        kernel: Kernel length in points.
        stride: Upsampling factor.
    """

    channels: int
    kernel: int
    stride: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length inputs"]
    ) -> Float[Array, "batch longer channels"]:
        """Upsamples; output length is (length − 1)·stride + kernel."""
        shape = (self.kernel, x.shape[-1], self.channels)
        # PyTorch counts the output channels where it initialises a transposed convolution.
        weight = self.param("kernel", _uniform("fan_out"), shape)
        return convolve_transposed(x, weight, self.stride)


class Dense(nn.Module):
    """Affine map with PyTorch's initial weights and bias.

    Attributes:
        features: Outputs.
        initial_shift: Added to the initial biases.
    """

    features: int
    initial_shift: float = 0.0

    @nn.compact
    def __call__(self, x: Float[Array, "batch inputs"]) -> Float[Array, "batch features"]:
        """Maps the last axis."""
        bound = x.shape[-1] ** -0.5
        weight = self.param("kernel", _uniform("fan_in"), (x.shape[-1], self.features))
        low, high = self.initial_shift - bound, self.initial_shift + bound
        bias = self.param(
            "bias", lambda key: jax.random.uniform(key, (self.features,), x.dtype, low, high)
        )
        return x @ weight + bias


def _uniform(fan: Literal["fan_in", "fan_out"]) -> Initializer:
    """Uniform in ±1/√fan."""
    return jax.nn.initializers.variance_scaling(1 / 3, fan, "uniform")


def convolve(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
    padding: tuple[int, int],
) -> Float[Array, "batch shorter channels"]:
    """Cross-correlation of every channel with `weight`, in (batch, position, channel) layout.

    Long sequences are cut into overlapping pieces of `PIECE` output points that join the
    batch. The result is the same; the weight gradient, which XLA computes as a convolution with
    the whole sequence as its kernel, becomes up to 25 times faster on CPUs.
    """
    batch, length, inputs = x.shape
    kernel, _, channels = weight.shape
    outputs = (length + sum(padding) - kernel) // stride + 1
    if outputs < 2 * PIECE:
        return _convolve_directly(x, weight, stride, padding)
    pieces = -(-outputs // PIECE)
    step = PIECE * stride
    overlap = max(kernel - stride, 0)
    end = (pieces + 1) * step - length - padding[0]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (padding[0], end, 0), (0, 0, 0)))
    x = x.reshape(batch, pieces + 1, step, inputs)
    x = jnp.concatenate([x[:, :-1], x[:, 1:, :overlap]], axis=2)
    y = _convolve_directly(
        x.reshape(batch * pieces, step + overlap, inputs), weight, stride, (0, 0)
    )
    return y.reshape(batch, pieces * PIECE, channels)[:, :outputs]


def _convolve_directly(
    x: Float[Array, "batch length inputs"],
    weight: Float[Array, "kernel inputs channels"],
    stride: int,
    padding: tuple[int, int],
) -> Float[Array, "batch shorter channels"]:
    return jax.lax.conv_general_dilated(
        x, weight, (stride,), (padding,), dimension_numbers=("NWC", "WIO", "NWC")
    )


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
    taps = -(-kernel // stride)
    padded = jnp.pad(weight, ((0, taps * stride - kernel), (0, 0), (0, 0)))
    phases = padded.reshape(taps, stride, inputs, channels)[::-1]
    phases = phases.transpose(0, 2, 1, 3).reshape(taps, inputs, stride * channels)
    y = convolve(x, phases, 1, (taps - 1, taps - 1))
    y = y.reshape(batch, (length + taps - 1) * stride, channels)
    return y[:, : (length - 1) * stride + kernel]


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
