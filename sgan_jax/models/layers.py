"""The weights of one-dimensional layers, shared by the discriminator and the generator.

Layout is (batch, position, channel) throughout. Initial weights follow PyTorch, with which the
paper was made: uniform in ±1/√fan_in.
"""

from typing import Literal, NamedTuple

import jax
from flax import linen as nn
from jax.nn.initializers import Initializer
from jaxtyping import Array, Float

from sgan_jax.models.convolutions import convolve, convolve_transposed


class Affine(NamedTuple):
    """Scale and bias of a normalised layer, by channel."""

    scale: Float[Array, "channels"]
    bias: Float[Array, "channels"]


class ChannelNorm(nn.Module):
    """Weights of a normalisation, by channel.

    Attributes:
        channels: Number of channels.
    """

    channels: int

    @nn.compact
    def __call__(self) -> Affine:
        """Gives the weights; what they do is a matter of the operation they are part of."""
        shape = (self.channels,)
        scale = self.param("scale", nn.initializers.ones, shape)
        return Affine(scale, self.param("bias", nn.initializers.zeros, shape))


class Kernel(nn.Module):
    """Weights of a convolution along the pattern.

    Attributes:
        channels: Output channels.
        kernel: Kernel length in points.
        inputs: Input channels.
    """

    channels: int
    kernel: int
    inputs: int

    @nn.compact
    def __call__(self) -> Float[Array, "kernel inputs channels"]:
        """Gives the weights."""
        shape = (self.kernel, self.inputs, self.channels)
        return self.param("kernel", _uniform("fan_in"), shape)


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
        return convolve(x, weight, self.stride, self.padding)


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
