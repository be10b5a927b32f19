"""LeNet-5 (LeCun et al. 1998) with attribute heads: the small network that Bruna's report begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from resight.models.heads import AttributeHeads

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """Convolutions of 6 and 16 maps, dense layers of 120 and 84, on colour images of any size, with ReLU and max pooling.

    >>> LeNet5({"gender": 2}, image_size=(128, 64))(images)["gender"].shape  # (batch, 2)
    """

    def __init__(
        self,
        attributes: Mapping[str, int],
        binary_outputs: Literal[1, 2] = 2,
        image_size: tuple[int, int] = (128, 64),
    ) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        )
        height, width = ((side // 2 - 4) // 2 for side in image_size)
        self.dense = nn.Sequential(nn.Linear(16 * height * width, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
        self.heads = AttributeHeads(84, attributes, binary_outputs=binary_outputs)

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """(batch, 3, height, width), normalised -> attribute -> logits (batch, classes)."""
        return self(images)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.heads(self.dense(self.maps(images).flatten(1)))
