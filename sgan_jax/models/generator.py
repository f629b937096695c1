"""The generator: transposed convolutions from noise to a whole powder pattern."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from sgan_jax.models.batch_norm import Moments, leaky_normalised, leaky_scaled
from sgan_jax.models.layers import Affine, ConvTranspose1D

NOISE_LENGTH = 100
CHANNELS = 32
MOMENTUM = 0.9  # of the running averages

# (kernel, stride) of each layer; the last one makes the pattern.
LAYERS = {
    # Lolla et al. 2022; three of its nine layers work on all 3041 points.
    "paper": ((17, 2), (15, 1), (14, 1), (18, 3), (13, 1), (11, 4), (9, 1), (9, 1), (7, 1)),
    # As many layers at 100 to 187 points, from which two steps of 4 lead to the pattern: a fifth
    # of the arithmetic and a sixth of the memory traffic.
    "subpixel": ((18, 1), (18, 1), (18, 1), (18, 1), (20, 1), (15, 4), (9, 4)),
}
"""The generators to choose from, by name."""


def output_length(name: str) -> int:
    """Points of a generated pattern."""
    length = NOISE_LENGTH
    for kernel, stride in LAYERS[name]:
        length = (length - 1) * stride + kernel
    return length


class Generator(nn.Module):
    """Noise to patterns in (0, 1); 92,416 parameters as `paper` (Lolla et al. 2022).

    Attributes:
        name_of_layers: Key of `LAYERS`.
        axis_name: Mapped axis over which the batch statistics are averaged, so that a batch
            split over devices is normalised as one; None outside of a mapped step.
    """

    name_of_layers: str = "paper"
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self, noise: Float[Array, "batch noise"], train: bool = False
    ) -> Float[Array, "batch grid"]:
        """Generates patterns; `train` normalises by the batch and moves the running statistics.

        Args:
            noise: Standard normal numbers, `NOISE_LENGTH` per pattern.
            train: Whether this is a training step; needs mutable `batch_stats`.
        """
        x = noise[:, :, None]
        *hidden, last = LAYERS[self.name_of_layers]
        for layer, (kernel, stride) in enumerate(hidden, start=1):
            x = ConvTranspose1D(CHANNELS, kernel, stride, name=f"up{layer}")(x)
            x = LeakyBatchNorm(self.axis_name, name=f"norm{layer}")(x, train)
        x = ConvTranspose1D(1, *last, name="pattern")(x)
        return jax.nn.sigmoid(x[:, :, 0])


class LeakyBatchNorm(nn.Module):
    """LeakyReLU, then batch normalisation with running averages.

    Attributes:
        axis_name: As that of the generator.
    """

    axis_name: str | None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch points channels"], train: bool
    ) -> Float[Array, "batch points channels"]:
        """Normalises by the batch in training, by the running averages else."""
        shape = x.shape[-1:]
        affine = Affine(
            self.param("scale", nn.initializers.ones, shape),
            self.param("bias", nn.initializers.zeros, shape),
        )
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            return leaky_scaled(x, affine, Moments(mean.value, var.value))
        out, moments = leaky_normalised(x, affine, self.axis_name)
        mean.value = MOMENTUM * mean.value + (1 - MOMENTUM) * moments.mean
        var.value = MOMENTUM * var.value + (1 - MOMENTUM) * moments.var
        return out
