"""The two-branch network of the University of Trento report "Deep Learning assignment" (R1, its section 4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from itertools import takewhile

import torch
from torch import Tensor, nn

from resight.models.backbone import STAGES, create_trunk, require_stages
from resight.models.layers import average_pool, max_pool
from resight.models.output import ReidOutput
from resight.models.weights import WeightsFile

__all__ = ["TwoBranch"]


class TwoBranch(nn.Module):
    """A ResNet whose first three stages are shared and whose fourth exists twice.

    Branch "global" is the usual stage 4 and average pooling; branch "max" has one block more and max pooling. Each
    feature goes to the metric losses, and through BatchNorm and a linear layer to the identity loss. The embedding is
    both features, concatenated.

    >>> model = TwoBranch(751, backbone="resnet50.tv_in1k", pretrained=False)
    >>> model.eval().embed(images).shape  # (batch, 4096)

    Both branches start from the pretrained stage 4; the additional block of "max" starts fresh, which in timm means
    close to the identity (the last BatchNorm of a residual block begins at 0). Raises RecipeError for a backbone that
    is no ResNet.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str = "resnet50.tv_in1k",
        pretrained: bool = True,
        weights: WeightsFile = None,
    ) -> None:
        super().__init__()
        trunk = create_trunk(backbone, pretrained, weights=weights)
        require_stages(trunk, backbone, "the two-branch model needs one, such as model.backbone=resnet50.tv_in1k")
        self.dim = int(trunk.num_features)  # type: ignore[arg-type]
        self.shared = nn.Sequential(
            OrderedDict(takewhile(lambda child: child[0] != STAGES[-1], trunk.named_children()))
        )
        self.branches = nn.ModuleDict(
            {
                "global": _Branch(trunk.get_submodule("layer4"), average_pool, self.dim, num_classes),
                "max": _Branch(_with_one_more_block(trunk, backbone), max_pool, self.dim, num_classes),
            }
        )

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """The layers, as timm's networks state them: patterns of parameters' names, from the input on."""
        return {
            "stem": r"^shared\.(?:conv1|bn1)",
            "shared": r"^shared\.layer(\d+)" if coarse else r"^shared\.layer(\d+)\.(\d+)",
            "branches": r"^branches\.\w+\.stage" if coarse else r"^branches\.\w+\.stage\.(\d+)",
        }

    def forward(self, images: Tensor) -> ReidOutput:
        """(batch, 3, height, width), normalised -> each branch's feature (batch, dim) and logits."""
        maps = self.shared(images)
        features, logits = zip(*(branch(maps) for branch in self.branches.values()), strict=True)
        return ReidOutput(features=features, logits=logits)

    def embed(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width), normalised -> embeddings (batch, 2 × dim)."""
        return self.embedding_of(self(images))

    def embedding_of(self, output: ReidOutput) -> Tensor:
        """What `forward` returned -> the embeddings of `embed`."""
        return torch.cat(output.features, dim=1)


class _Branch(nn.Module):
    """Stage 3's maps -> a feature (batch, dim) and identity logits (batch, classes)."""

    def __init__(self, stage: nn.Module, pool: Callable[[Tensor], Tensor], dim: int, num_classes: int) -> None:
        super().__init__()
        self.stage, self.pool = stage, pool
        self.identities = nn.Sequential(nn.BatchNorm1d(dim), nn.Linear(dim, num_classes))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.pool(self.stage(maps))
        return feature, self.identities(feature)


def _with_one_more_block(trunk: nn.Module, name: str) -> nn.Sequential:
    """A copy of stage 4 and one block after it."""
    blocks = [len(list(trunk.get_submodule(stage).children())) for stage in STAGES]
    blocks[-1] += 1
    # The block's own network builds it, which knows the arguments of each kind of ResNet; the rest of it is dropped.
    longer = create_trunk(name, False, layers=tuple(blocks)).layer4
    return nn.Sequential(*deepcopy(trunk.layer4), longer[-1])  # type: ignore[index,misc,arg-type]
