"""A pretrained trunk with attribute heads (the two-branch report's A1; with one output for two classes, Bruna's A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from resight.models.backbone import Backbone
from resight.models.heads import AttributeHeads
from resight.models.weights import WeightsFile

__all__ = ["AttributeClassifier"]


class AttributeClassifier(nn.Module):
    """timm backbone -> average pooling -> attribute heads.

    >>> AttributeClassifier({"gender": 2, "age": 4}, pretrained=False)(images)["age"].shape  # (batch, 4)

    `heads="single"` is the one head that the two-branch report gave up for a head each. On one feature the two differ by
    what is dropped and by the loss alone: give it `losses.attributes.outputs=sigmoid`.
    """

    def __init__(
        self,
        attributes: Mapping[str, int],
        backbone: str = "resnet50.tv_in1k",
        pretrained: bool = True,
        dropout: float = 0.2,
        binary_outputs: Literal[1, 2] = 2,
        heads: Literal["each", "single"] = "each",
        weights: WeightsFile = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, pretrained, image_size=image_size, weights=weights)
        self.heads = AttributeHeads(
            self.backbone.dim, attributes, dropout=dropout, binary_outputs=binary_outputs, single=heads == "single"
        )

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """(batch, 3, height, width), normalised -> attribute -> logits (batch, classes)."""
        return self(images)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.heads(self.backbone(images))
