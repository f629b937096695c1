"""The discriminator: a one-dimensional ResNet-18 that is also the classifier."""

import math
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from sgan_jax.models.layers import Conv1D, Dense, max_pool

STEM_CHANNELS = 32
STEM_KERNEL = 13
STEM_POOL = 7
# Channels, kernel length and stride of the four stages (Lolla et al. 2022, Figure 3).
STAGES = ((32, 5, 4), (64, 7, 4), (64, 17, 5), (64, 13, 3))
BLOCKS_PER_STAGE = 2


class DiscriminatorOutput(NamedTuple):
    """What the discriminator says of a batch of patterns.

    Attributes:
        logits: Class logits l_k.
        real_logit: Log-odds that the pattern is real, log D − log(1 − D).
    """

    logits: Float[Array, "batch classes"]
    real_logit: Float[Array, "batch"]


class ResNet(nn.Module):
    """1D ResNet-18 over whole powder patterns (Lolla et al. 2022).

    Without a real/fake head, D(x) = Z/(Z + 1) with Z = Σ_k exp(l_k), so that log Z itself is the
    log-odds of D (Salimans et al. 2016, section 5) and no further output is needed.

    Attributes:
        num_classes: Number K of classes.
        dropout: Share of activations set to zero after every convolution in training.
        stem_pool: Max pool 7/7 after the stem, as in the paper's figure; the released code
            leaves it out.
        real_fake_head: A separate dense output for D, as in the released code.
        balanced_start: Lower the initial class biases by ln K, so that D starts near 1/2
            instead of near K/(K + 1), where the game's gradients are small.
    """

    num_classes: int
    dropout: float
    stem_pool: bool = True
    real_fake_head: bool = False
    balanced_start: bool = False

    @nn.compact
    def __call__(
        self, patterns: Float[Array, "batch grid"], train: bool = False
    ) -> DiscriminatorOutput:
        """Classifies patterns; with `train` the `dropout` random stream is needed."""
        x = Conv1D(STEM_CHANNELS, STEM_KERNEL, name="stem")(patterns[:, :, None])
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = gelu(layer_norm("stem_norm")(x))
        if self.stem_pool:
            x = max_pool(x, STEM_POOL, STEM_POOL // 2)
        for stage, (channels, kernel, stride) in enumerate(STAGES, start=1):
            for block in range(1, BLOCKS_PER_STAGE + 1):
                x = ResidualBlock(
                    channels,
                    kernel,
                    stride if block == 1 else 1,
                    self.dropout,
                    name=f"stage{stage}_block{block}",
                )(x, train)
        features = x.max(axis=1)
        shift = -math.log(self.num_classes) if self.balanced_start else 0.0
        logits = Dense(self.num_classes, shift, name="classes")(features)
        if self.real_fake_head:
            return DiscriminatorOutput(logits, Dense(1, name="real_fake")(features)[:, 0])
        return DiscriminatorOutput(logits, jax.nn.logsumexp(logits, axis=-1))


class ResidualBlock(nn.Module):
    """Two convolutions beside a projected shortcut.

    Attributes:
        channels: Output channels.
        kernel: Kernel length of both convolutions.
        stride: Stride of the first convolution and of the projection.
        dropout: Share of activations set to zero after each convolution of the main path.
    """

    channels: int
    kernel: int
    stride: int
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch length inputs"], train: bool
    ) -> Float[Array, "batch shorter channels"]:
        """Applies the block."""
        y = Conv1D(self.channels, self.kernel, self.stride, self.kernel // 2, name="conv1")(x)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = gelu(layer_norm("norm1")(y))
        y = Conv1D(self.channels, self.kernel, 1, self.kernel // 2, name="conv2")(y)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        y = layer_norm("norm2")(y)
        shortcut = Conv1D(self.channels, 1, self.stride, name="projection")(x)
        return gelu(y + layer_norm("projection_norm")(shortcut))


def apply_discriminator(
    module: ResNet,
    params: PyTree[Array],
    patterns: Float[Array, "batch grid"],
    dropout_key: Array | None = None,
) -> DiscriminatorOutput:
    """Applies the network to patterns.

    Args:
        module: The network.
        params: Its weights.
        patterns: Powder patterns.
        dropout_key: Random key of the dropout masks; without it nothing is dropped.
    """
    streams = None if dropout_key is None else {"dropout": dropout_key}
    train = dropout_key is not None
    output = module.apply({"params": params}, patterns, train=train, rngs=streams)
    return cast(DiscriminatorOutput, output)


def layer_norm(name: str) -> nn.LayerNorm:
    """Layer normalisation over the channels of each point, with PyTorch's ε."""
    return nn.LayerNorm(epsilon=1e-5, name=name)


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The exact Gaussian error linear unit, x·Φ(x)."""
    return jnp.asarray(nn.gelu(x, approximate=False))
