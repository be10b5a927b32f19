"""Bruna ("Based on Residual hUge Nn Architecture"; "Bruna Is All You Need!", University of Trento, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from resight.models.abilities import Borrowed
from resight.models.backbone import Backbone
from resight.models.heads import AttributeHeads
from resight.models.output import AttributedFeature
from resight.models.unet import UNet
from resight.models.weights import WeightsFile
from resight.recipe import OneOf

__all__ = ["SEGMENTERS", "Bruna"]

SEGMENTERS = {"unet": UNet}


class Bruna(nn.Module):
    """timm backbone -> a feature of `dim` numbers -> a perceptron for each attribute.

    >>> feature, logits = Bruna({"gender": 2, "age": 4}, pretrained=False)(images)  # (batch, 1600), {"gender": …}

    With `masks` a U-Net segments the images first. "blank" replaces the background by the mean colour; "channel" adds
    the mask's probabilities as a fourth channel, and to the feature `bottleneck` numbers: a linear layer of the U-Net's
    averaged bottom maps. The U-Net is frozen. Training takes its weights from the run folder `segmenter`; from then on
    they are part of Bruna's own weights.
    """

    def __init__(
        self,
        attributes: Mapping[str, int],
        backbone: str = "mobilenetv3_large_100.ra_in1k",
        pretrained: bool = True,
        dim: Annotated[int, Field(ge=1)] = 1600,
        hidden: Annotated[int, Field(ge=1)] = 128,
        dropout: float = 0.0,
        binary_outputs: Literal[1, 2] = 1,
        masks: Literal["none", "blank", "channel"] = "none",
        segmenter: str | None = None,
        unet: Annotated[Any, OneOf(SEGMENTERS)] = None,
        bottleneck: Annotated[int, Field(ge=1)] = 64,
        weights: WeightsFile = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.masks = masks
        self.backbone = Backbone(
            backbone, pretrained, image_size=image_size, channels=4 if masks == "channel" else 3, weights=weights
        )
        self.feature = nn.Linear(self.backbone.dim, dim)
        # Distances start near 0.3, below the margin of 1, so that training separates people from its first step. With
        # PyTorch's own initialisation they start near 8, and d_same, which has no bound, first shrinks all for epochs.
        nn.init.normal_(self.feature.weight, std=(self.backbone.dim * dim) ** -0.5)
        nn.init.zeros_(self.feature.bias)
        self.dim = dim
        if masks != "none":
            # Lightning leaves a model in the mode (train or eval) that it has.
            self.segmenter = (unet or UNet()).requires_grad_(False).eval()
        if masks == "channel":
            self.bottom = nn.Linear(self.segmenter.bottleneck, bottleneck)
            self.dim += bottleneck
        self.heads = AttributeHeads(self.dim, attributes, hidden, dropout, binary_outputs)

    @property
    def borrows(self) -> dict[str, Borrowed]:
        return {} if self.masks == "none" else {"segmenter": Borrowed(self.segmenter, "segmentation-unet")}

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.masks != "none":
            self.segmenter.eval()  # its BatchNorm statistics stay fixed
        return self

    def forward(self, images: Tensor) -> AttributedFeature:
        """Normalised images (batch, 3, height, width) -> features (batch, dim) and attribute -> logits."""
        feature = self.embed(images)
        return AttributedFeature(feature, self.heads(feature))

    def embed(self, images: Tensor) -> Tensor:
        """Features (batch, dim)."""
        if self.masks == "none":
            return self.feature(self.backbone(images))
        with torch.no_grad():
            logits, bottom = self.segmenter.both(images)
        if self.masks == "blank":
            return self.feature(self.backbone(images * (logits > 0)))  # 0 is the mean colour
        feature = self.feature(self.backbone(torch.cat([images, torch.sigmoid(logits)], dim=1)))
        return torch.cat([feature, self.bottom(bottom.mean((2, 3)))], dim=1)

    def embedding_of(self, output: AttributedFeature) -> Tensor:
        """What `forward` returned -> the embeddings of `embed`."""
        return output.feature

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        """Attribute -> logits."""
        return self(images).logits
