"""The discriminator: a one-dimensional ResNet-18 that is also the classifier."""

import math
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, PyTree

from sgan_jax.models.fused import NO_DROPOUT, Dropout, normalised_gelu, stem_block
from sgan_jax.models.layers import ChannelNorm, Conv1D, Dense, Kernel

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
        features: Activations of the last layer before the outputs.
    """

    logits: Float[Array, "batch classes"]
    real_logit: Float[Array, "batch"]
    features: Float[Array, "batch channels"]


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
        coverage_channel: A second input that tells where a pattern was measured, at the price of
            416 more weights; points that were not are negative. The paper's has none.
        balanced_start: Lower the initial class biases by ln K, so that D starts near 1/2
            instead of near K/(K + 1), where the game's gradients are small.
    """

    num_classes: int
    dropout: float
    stem_pool: bool = True
    real_fake_head: bool = False
    balanced_start: bool = False
    coverage_channel: bool = False

    @nn.compact
    def __call__(
        self, patterns: Float[Array, "batch grid"], train: bool = False
    ) -> DiscriminatorOutput:
        """Classifies patterns; with `train` the `dropout` random stream is needed."""
        weight = Kernel(STEM_CHANNELS, STEM_KERNEL, 1 + self.coverage_channel, name="stem")()
        window = STEM_POOL if self.stem_pool else 1
        norm = ChannelNorm(STEM_CHANNELS, name="stem_norm")()
        x = stem_block(patterns, weight, norm, _dropout(self, self.dropout, train), window)
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
            real_logit = Dense(1, name="real_fake")(features)[:, 0]
        else:
            real_logit = jax.nn.logsumexp(logits, axis=-1)
        return DiscriminatorOutput(logits, real_logit, features)


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
        norm1 = ChannelNorm(self.channels, name="norm1")()
        y = normalised_gelu(y, norm1, _dropout(self, self.dropout, train))
        y = Conv1D(self.channels, self.kernel, 1, self.kernel // 2, name="conv2")(y)
        norm2 = ChannelNorm(self.channels, name="norm2")()
        shortcut = Conv1D(self.channels, 1, self.stride, name="projection")(x)
        projection_norm = ChannelNorm(self.channels, name="projection_norm")()
        dropout = _dropout(self, self.dropout, train)
        return normalised_gelu(y, norm2, dropout, (shortcut, projection_norm))


def _dropout(module: nn.Module, rate: float, train: bool) -> Dropout:
    if not train or rate == 0:
        return NO_DROPOUT
    return Dropout(jax.random.bits(module.make_rng("dropout"), (), jnp.uint32), rate)


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
