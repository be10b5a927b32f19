"""Bruna's adversary: a network that finds people whom a model confuses with a given person."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

__all__ = ["Selector"]


class Selector(nn.Module):
    """Predicts a model's distance of two images: a small network embeds each, a linear layer weighs the difference.

    >>> Selector()(anchors, others).shape  # (items, 3, height, width), (items, n, 3, height, width) -> (items, n)

    Predictions are at least 0. The report describes only its inputs and outputs.
    """

    def __init__(self, width: Annotated[int, Field(ge=1)] = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        self.look = nn.Sequential(
            *(_halving(before, after) for before, after in pairwise(widths)),
            # Height matters: shirts above, trousers below.
            nn.AdaptiveAvgPool2d((4, 1)),
            nn.Flatten(),
        )
        self.weigh = nn.Linear(4 * widths[-1], 1)

    def forward(self, anchors: Tensor, others: Tensor) -> Tensor:
        return self.predict(self.look(anchors), self.look(others.flatten(0, 1)).unflatten(0, others.shape[:2]))

    def predict(self, anchors: Tensor, others: Tensor) -> Tensor:
        """The same of what `look` made of the images: (items, width), (items, n, width) -> (items, n)."""
        return F.softplus(self.weigh((others - anchors[:, None]).abs())).squeeze(2)


def _halving(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
