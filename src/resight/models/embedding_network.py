"""The vehicle family (the EEEM071 coursework, V1): a backbone, attention, fusion, and a head of one of six designs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from resight.models.backbone import Backbone
from resight.models.heads import HeadDesign, embedding_layers
from resight.models.output import ReidOutput
from resight.models.staged_backbone import StagedBackbone
from resight.models.weights import WeightsFile

__all__ = ["EmbeddingNetwork"]


class EmbeddingNetwork(nn.Module):
    """Backbone -> pooling -> embedding layers -> classifier; the triplet loss and retrieval use the classifier's input.

    >>> model = EmbeddingNetwork(576, backbone="resnet18.tv_in1k", pretrained=False, attention="se", fusion="concat")
    >>> model.eval().embed(images).shape  # (batch, 1024)

    - `attention` sits after each stage and `fusion` joins stages (see `StageFusion`); both need a ResNet trunk.
    - `head` is one of the source's table 9 and names its layers in order; its last FC is the classifier, as in the
      public code. "vanilla" is one FC to `embedding` and the classifier, with nothing between.
    - `further_classifier` follows the text (section 6), which passes the result of the whole head, its last FC included,
      to one more FC that classifies. That FC's input is then the embedding.
    - `embedding=0` has no FC: the pooled feature itself is the embedding, as in the public code's "vanilla", where
      MobileNetV3-Small's 576 pooled channels go straight to the classifier; its other heads bring them to 1024. Only
      the head "vanilla" allows it.
    - `embedding_bias` and `classifier_bias`: the text sets the bias of "the fc layers" to zero, the code has biases.

    Of MobileNetV3 the last convolution's 576 channels are pooled, as there; timm's 1024-wide layer after the pooling
    is not used.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "mobilenetv3_small_100.lamb_in1k",
        pretrained: bool = True,
        attention: Literal["none", "se", "cbam"] = "none",
        fusion: Literal["none", "concat", "add", "global-concat"] = "none",
        embedding: Annotated[int, Field(ge=0)] = 1024,
        head: HeadDesign = "fc-bn-relu-fc",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        classifier_bias: bool = True,
        embedding_bias: bool = True,
        further_classifier: bool = False,
        last_stride: Literal[1, 2] = 2,
        pooling: Literal["average", "max", "gem"] = "average",
        weights: WeightsFile = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = (
            Backbone(backbone, pretrained, last_stride, pooling, image_size, weights=weights)
            if attention == fusion == "none"
            else StagedBackbone(backbone, pretrained, last_stride, pooling, attention, fusion, weights)
        )
        self.dim = embedding or self.backbone.dim
        self.embedding = embedding_layers(
            self.backbone.dim, embedding, head, dropout, embedding_bias, further_classifier
        )
        self.classifier = nn.Linear(self.dim, num_classes, bias=classifier_bias)

    def forward(self, images: Tensor) -> ReidOutput:
        """(batch, 3, height, width), normalised -> the embedding as the one feature, and its logits."""
        embedding = self.embed(images)
        return ReidOutput(features=(embedding,), logits=(self.classifier(embedding),))

    def embed(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> embeddings (batch, dim)."""
        return self.embedding(self.backbone(images))

    def embedding_of(self, output: ReidOutput) -> Tensor:
        """What `forward` returned -> the embeddings of `embed`."""
        return output.features[0]
