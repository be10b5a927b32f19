"""Softmax losses with a margin between identities.

Each has a weight vector per identity and compares features with it by angle, so it needs no classifier. Several
branches share the vectors.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from resight.losses.base import Loss
from resight.losses.precision import in_full_precision

__all__ = ["ArcFaceLoss", "CosFaceLoss", "SphereFaceLoss"]

Scale = Annotated[float, Field(gt=0)]
# The angle's gradient grows beyond all bounds where the cosine is 1 or -1.
_MOST = 1 - 1e-7


class _MarginSoftmax(Loss):
    """Cross-entropy over identities with a margin for the right one, by which a subclass makes its cosine smaller."""

    reads = ("features",)
    of_identities = True

    def __init__(self, num_classes: int, dim: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.vectors = nn.Parameter(torch.empty(dim, num_classes))
        nn.init.normal_(self.vectors)
        self.register_load_state_dict_pre_hook(_renamed)

    def harder(self, cosines: Tensor) -> Tensor:
        """The right identities' cosines, less the margin."""
        raise NotImplementedError

    def length(self, embeddings: Tensor) -> Tensor | float:
        """By what the cosines of each embedding are multiplied besides `scale`."""
        return 1.0

    @in_full_precision
    def forward(self, embeddings: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        cosines = F.normalize(embeddings, dim=1) @ F.normalize(self.vectors, dim=0)
        right = ids[:, None] == torch.arange(self.vectors.shape[1], device=ids.device)
        scores = torch.where(right, self.harder(cosines.gather(1, ids[:, None])), cosines)
        return F.cross_entropy(scores * self.scale * self.length(embeddings), ids)


def _renamed(loss: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Trainings of older versions kept the vectors in another library's loss."""
    if f"{prefix}loss.W" in state:
        state[f"{prefix}vectors"] = state.pop(f"{prefix}loss.W")


class ArcFaceLoss(_MarginSoftmax):
    """Cross-entropy over scale · cos(angle to each identity), the right one's angle wider by `margin` (Deng et al. 2019).

    >>> ArcFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    `margin` is in radians, as in the paper. Beyond π - margin, where the cosine would rise again, it continues to fall
    as cos(angle) - margin · sin(margin).
    """

    def __init__(
        self,
        num_classes: int,
        dim: int,
        margin: Annotated[float, Field(ge=0, lt=math.pi)] = 0.5,
        scale: Scale = 64.0,
    ) -> None:
        super().__init__(num_classes, dim, scale)
        self.margin = margin

    def harder(self, cosines: Tensor) -> Tensor:
        angles = _angles(cosines)
        beyond = cosines - self.margin * math.sin(self.margin)
        return torch.where(angles <= math.pi - self.margin, torch.cos(angles + self.margin), beyond)


class CosFaceLoss(_MarginSoftmax):
    """Cross-entropy over scale · cos(angle to each identity), the right one's cosine less `margin` (Wang et al. 2018).

    >>> CosFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar
    """

    def __init__(
        self, num_classes: int, dim: int, margin: Annotated[float, Field(ge=0, lt=2)] = 0.35, scale: Scale = 64.0
    ) -> None:
        super().__init__(num_classes, dim, scale)
        self.margin = margin

    def harder(self, cosines: Tensor) -> Tensor:
        return cosines - self.margin


class SphereFaceLoss(_MarginSoftmax):
    """Cross-entropy over |embedding| · cos(angle to each identity), the right one's angle times `margin` (Liu et al. 2017).

    >>> SphereFaceLoss(num_classes=751, dim=2048)(embeddings, ids)  # (batch, dim), (batch,) -> scalar

    The cosine of the multiplied angle is continued downwards beyond π / margin (their eq. 7). Since margin 4 is
    hard at first, the paper begins with a blend with the plain softmax; give a smaller margin, or add the identity
    loss.
    """

    def __init__(self, num_classes: int, dim: int, margin: Annotated[int, Field(ge=1)] = 4, scale: Scale = 1.0) -> None:
        super().__init__(num_classes, dim, scale)
        self.margin = margin

    def harder(self, cosines: Tensor) -> Tensor:
        angles = _angles(cosines)
        stretch = (angles.detach() * (self.margin / math.pi)).floor()
        return (1 - 2 * (stretch % 2)) * torch.cos(self.margin * angles) - 2 * stretch

    def length(self, embeddings: Tensor) -> Tensor:
        return embeddings.norm(dim=1, keepdim=True)


def _angles(cosines: Tensor) -> Tensor:
    return cosines.clamp(-_MOST, _MOST).acos()
