"""How sure a model is of each image's attributes, and how many it has right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Confidence", "confidence"]


class Confidence(NamedTuple):
    """Of N images, each (N,)."""

    sure: Tensor
    """Mean over the attributes of the recognised class's probability."""
    right: Tensor
    """Number of attributes whose recognised class is the annotated one."""
    known: Tensor
    """Number of attributes that are annotated."""


def confidence(found: Mapping[str, Tensor], targets: Tensor) -> Confidence:
    """Compare probabilities, attribute -> (N, classes), with class numbers (N, attributes), -1 where unknown."""
    best = [values.max(1) for values in found.values()]
    sure = torch.stack([each.values for each in best]).mean(0)
    classes = torch.stack([each.indices for each in best], dim=1)
    known = targets >= 0
    return Confidence(sure, ((classes == targets) & known).sum(1), known.sum(1))
