"""The strong baseline with a BatchNorm neck (Luo et al. 2019, "A Strong Baseline and Batch Normalization Neck")."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from resight.models.backbone import Backbone
from resight.models.output import ReidOutput
from resight.models.weights import WeightsFile

__all__ = ["StrongBaseline"]


class StrongBaseline(nn.Module):
    """Backbone -> pooling -> BatchNorm neck without bias -> classifier without bias.

    Metric losses read the feature before the neck, identity losses and retrieval the one after it.

    >>> model = StrongBaseline(num_classes=751, backbone="resnet50.tv_in1k", pretrained=False)
    >>> model.eval().embed(images).shape  # (batch, 2048)

    `neck="none"` and `last_stride=2` switch the two tricks off for the paper's ablation (its table 3).
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50.tv_in1k",
        pretrained: bool = True,
        last_stride: Literal[1, 2] = 1,
        pooling: Literal["average", "max", "gem"] = "average",
        neck: Literal["batchnorm", "none"] = "batchnorm",
        classifier_bias: bool = False,
        retrieval: Literal["after-neck", "before-neck"] = "after-neck",
        weights: WeightsFile = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, pretrained, last_stride, pooling, image_size, weights=weights)
        self.dim = self.backbone.dim
        self.retrieval = retrieval
        self.neck: nn.Module = nn.Identity()
        if neck == "batchnorm":
            norm = nn.BatchNorm1d(self.dim)
            norm.bias.requires_grad_(False)
            self.neck = norm
        self.classifier = nn.Linear(self.dim, num_classes, bias=classifier_bias)
        nn.init.normal_(self.classifier.weight, std=0.001)
        if classifier_bias:
            nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> ReidOutput:
        """(batch, 3, height, width), normalised -> features before the neck and logits after it."""
        feature = self.backbone(images)
        return ReidOutput(features=(feature,), logits=(self.classifier(self.neck(feature)),))

    def embed(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> embeddings (batch, dim)."""
        return self._embedding(self.backbone(images))

    def embedding_of(self, output: ReidOutput) -> Tensor:
        """What `forward` returned -> the embeddings of `embed`."""
        return self._embedding(output.features[0])

    def _embedding(self, feature: Tensor) -> Tensor:
        return self.neck(feature) if self.retrieval == "after-neck" else feature
