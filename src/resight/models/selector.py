"""The network that looks for strangers whom a model takes for somebody (Bruna's adversary)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

__all__ = ["Selector"]


class Selector(nn.Module):
    """Predicts how far apart a model puts two images: a small network sees each, a line weighs how they differ.

    >>> Selector()(anchors, others).shape  # (items, 3, height, width), (items, n, 3, height, width) -> (items, n)

    Predictions are distances, 0 or more. The report describes no more of it than what goes in and comes out.
    """

    def __init__(self, width: Annotated[int, Field(ge=1)] = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        self.look = nn.Sequential(
            *(_halving(before, after) for before, after in pairwise(widths)),
            # Where things are tells people apart as well: shirts above, trousers below.
            nn.AdaptiveAvgPool2d((4, 1)),
            nn.Flatten(),
        )
        self.weigh = nn.Linear(4 * widths[-1], 1)

    def forward(self, anchors: Tensor, others: Tensor) -> Tensor:
        seen = self.look(anchors)[:, None]
        found = self.look(others.flatten(0, 1)).unflatten(0, others.shape[:2])
        return F.softplus(self.weigh((found - seen).abs())).squeeze(2)


def _halving(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
