"""A ResNet backbone with attention after each stage, and with several stages fused."""

from __future__ import annotations

from typing import Any, Literal, cast

from torch import Tensor, nn

from resight.models.backbone import STAGES, Backbone, require_stages
from resight.models.layers import ATTENTIONS, StageFusion
from resight.models.weights import WeightsFile

__all__ = ["StagedBackbone"]


class StagedBackbone(Backbone):
    """A ResNet trunk, attention after each of its four stages (not inside their blocks), their fusion, pooling.

    >>> StagedBackbone("resnet18.tv_in1k", pretrained=False, attention="se", fusion="concat").dim
    1024

    Weights of the trunk keep their names, so ImageNet's load; attention and fusion start fresh. Raises RecipeError
    for a trunk that is no ResNet.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool,
        last_stride: int = 2,
        pooling: str = "average",
        attention: str = "none",
        fusion: Literal["none", "concat", "add", "global-concat"] = "none",
        weights: WeightsFile = None,
    ) -> None:
        super().__init__(name, pretrained, last_stride, pooling, weights=weights)
        require_stages(self.trunk, name, "set model.attention=none model.fusion=none")
        facts = cast("list[dict[str, Any]]", self.trunk.feature_info)
        channels = [stage["num_chs"] for stage in facts if stage["module"] in STAGES]
        self.attention = nn.ModuleList(ATTENTIONS[attention](width) for width in channels)
        self.fusion = StageFusion(channels, fusion, last_stride)
        self.dim = self.fusion.dim

    def maps(self, images: Tensor) -> Tensor:
        return self.fusion(self.stages(images))

    def stages(self, images: Tensor) -> list[Tensor]:
        """The four stages' maps after attention, each (batch, channels, height, width)."""
        found: list[Tensor] = []
        for name, module in self.trunk.named_children():
            if len(found) == len(STAGES):  # pooling and classifier follow
                break
            images = module(images)
            if name in STAGES:
                images = self.attention[len(found)](images)
                found.append(images)
        return found
