"""The networks of this repository in PyTorch, twice: with 1D layers, and with channels last.

`nn.Conv1d` is what comes to mind first. PyTorch keeps its channels before the points, so every
normalisation over channels must transpose. A pattern seen as an image of height 1, for which
PyTorch knows the memory format `channels_last`, needs no transposition; on CPUs that is faster.
Both are the same network with the same names of weights.
"""
# pyright: reportMissingImports=false

from dataclasses import dataclass

import torch
from torch import Tensor, nn

NOISE_LENGTH = 100
STAGES = ((32, 5, 4), (64, 7, 4), (64, 17, 5), (64, 13, 3))  # channels, kernel, stride
UP = ((17, 2), (15, 1), (14, 1), (18, 3), (13, 1), (11, 4), (9, 1), (9, 1))  # kernel, stride
CHANNELS = 32


@dataclass(frozen=True)
class Layout:
    """How the points and channels of a pattern lie in memory.

    Attributes:
        channels_last: As images of height 1 with channels last, instead of as sequences.
    """

    channels_last: bool

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> nn.Module:
        """A convolution without bias."""
        if self.channels_last:
            return nn.Conv2d(inputs, outputs, (1, kernel), (1, stride), (0, padding), bias=False)
        return nn.Conv1d(inputs, outputs, kernel, stride, padding, bias=False)

    def conv_transpose(self, inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
        """A transposed convolution without bias."""
        if self.channels_last:
            return nn.ConvTranspose2d(inputs, outputs, (1, kernel), (1, stride), bias=False)
        return nn.ConvTranspose1d(inputs, outputs, kernel, stride, bias=False)

    def max_pool(self, window: int, padding: int) -> nn.Module:
        """A maximum over adjacent windows."""
        if self.channels_last:
            return nn.MaxPool2d((1, window), padding=(0, padding))
        return nn.MaxPool1d(window, padding=padding)

    def batch_norm(self, channels: int, eps: float) -> nn.Module:
        """Batch normalisation."""
        kind = nn.BatchNorm2d if self.channels_last else nn.BatchNorm1d
        return kind(channels, eps=eps)

    def from_sequence(self, x: Tensor) -> Tensor:
        """Gives (batch, length) its further axes."""
        return self.arrange(x[:, None, None] if self.channels_last else x[:, None])

    def arrange(self, x: Tensor) -> Tensor:
        """Puts activations into this layout in memory; no copy where they are in it."""
        if self.channels_last:
            return x.contiguous(memory_format=torch.channels_last)
        return x.contiguous()


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each point."""

    def __init__(self, channels: int, layout: Layout) -> None:
        super().__init__(channels)
        self.layout = layout

    def forward(self, input: Tensor) -> Tensor:
        """Normalises."""
        return self.layout.arrange(super().forward(input.movedim(1, -1)).movedim(-1, 1))


class Block(nn.Module):
    """Two convolutions beside a projected shortcut."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, dropout: float, layout: Layout
    ) -> None:
        super().__init__()
        self.conv1 = layout.conv(inputs, outputs, kernel, stride, kernel // 2)
        self.norm1 = ChannelNorm(outputs, layout)
        self.conv2 = layout.conv(outputs, outputs, kernel, 1, kernel // 2)
        self.norm2 = ChannelNorm(outputs, layout)
        self.projection = layout.conv(inputs, outputs, 1, stride)
        self.projection_norm = ChannelNorm(outputs, layout)
        self.dropout = nn.Dropout(dropout)
        self.gelu = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Applies the block."""
        y = self.gelu(self.norm1(self.dropout(self.conv1(x))))
        y = self.norm2(self.dropout(self.conv2(y)))
        return self.gelu(y + self.projection_norm(self.projection(x)))


class Discriminator(nn.Module):
    """The ResNet; gives class logits of (batch, grid)."""

    def __init__(self, classes: int, dropout: float, stem_pool: bool, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.stem = layout.conv(1, 32, 13)
        self.stem_norm = ChannelNorm(32, layout)
        self.dropout = nn.Dropout(dropout)
        self.gelu = nn.GELU()
        self.pool = layout.max_pool(7, 3) if stem_pool else nn.Identity()
        inputs, blocks = 32, []
        for stage, (outputs, kernel, stride) in enumerate(STAGES, start=1):
            for block in (1, 2):
                name = f"stage{stage}_block{block}"
                stride = stride if block == 1 else 1
                self.add_module(name, Block(inputs, outputs, kernel, stride, dropout, layout))
                blocks.append(name)
                inputs = outputs
        self.blocks = blocks
        self.classes = nn.Linear(inputs, classes)

    def forward(self, patterns: Tensor) -> Tensor:
        """Class logits."""
        x = self.stem(self.layout.from_sequence(patterns))
        x = self.pool(self.gelu(self.stem_norm(self.dropout(x))))
        for name in self.blocks:
            x = self.get_submodule(name)(x)
        return self.classes(x.flatten(2).amax(2))


class Generator(nn.Module):
    """Noise (batch, 100) to patterns (batch, 3041)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        inputs = 1
        for layer, (kernel, stride) in enumerate(UP, start=1):
            self.add_module(f"up{layer}", layout.conv_transpose(inputs, CHANNELS, kernel, stride))
            self.add_module(f"norm{layer}", layout.batch_norm(CHANNELS, eps=1e-4))
            inputs = CHANNELS
        self.pattern = layout.conv_transpose(CHANNELS, 1, 7, 1)
        self.leaky = nn.LeakyReLU(0.2)

    def forward(self, noise: Tensor) -> Tensor:
        """Patterns in (0, 1)."""
        x = self.layout.from_sequence(noise)
        for layer in range(1, len(UP) + 1):
            x = self.leaky(self.get_submodule(f"up{layer}")(x))
            x = self.get_submodule(f"norm{layer}")(x)
        return torch.sigmoid(self.pattern(x)).flatten(1)
