"""A small residual network with a perceptron for each attribute, trained from scratch (the VAE report's A2, section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from resight.models.heads import AttributeHeads

__all__ = ["ResidualCNN"]


class ResidualCNN(nn.Module):
    """Two blocks of two pipelines, BatchNorm -> Conv -> LeakyReLU, then a two-layer perceptron for each attribute.

    >>> ResidualCNN({"gender": 2, "age": 4}, image_size=(128, 64))(images)["age"].shape  # (batch, 4)

    Each pipeline of block 1 ends in max pooling; block 2 keeps its size, and `skip` adds its input to its output (the
    report's table 1 compares both). The report gives no widths: `channels` are block 1's, block 2 keeps the
    second so that the skip needs no weights. Its maps are averaged to `grid` (height, width) cells before they are
    flattened, which keeps the perceptrons small and positions apart: hats above, trousers below.
    """

    def __init__(
        self,
        attributes: Mapping[str, int],
        channels: tuple[int, int] = (32, 64),
        hidden: int = 128,
        dropout: float = 0.0,
        skip: bool = True,
        grid: tuple[int, int] = (8, 4),
    ) -> None:
        super().__init__()
        first, second = channels
        self.skip = skip
        self.block1 = nn.Sequential(_pipeline(3, first), nn.MaxPool2d(2), _pipeline(first, second), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(_pipeline(second, second), _pipeline(second, second))
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.heads = AttributeHeads(second * grid[0] * grid[1], attributes, hidden=hidden, dropout=dropout)

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """(batch, 3, height, width), normalised -> attribute -> logits (batch, classes)."""
        return self(images)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.block1(images)
        maps = self.block2(maps) + maps if self.skip else self.block2(maps)
        return self.heads(self.pool(maps).flatten(1))


def _pipeline(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU())
