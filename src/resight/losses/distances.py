"""Distances between embeddings, differentiable."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Distance", "pairwise_distances"]

Distance = Literal["euclidean", "squared-euclidean", "cosine"]


def pairwise_distances(embeddings: Tensor, distance: Distance = "euclidean", to: Tensor | None = None) -> Tensor:
    """(batch, dim) -> (batch, batch), or (batch, others) where `to` is (others, dim). At 0 the gradient is finite."""
    others = embeddings if to is None else to
    if distance == "cosine":
        return 1 - F.normalize(embeddings, dim=1) @ F.normalize(others, dim=1).T
    norms, theirs = embeddings.square().sum(1), others.square().sum(1)
    squared = (norms[:, None] + theirs[None, :] - 2 * embeddings @ others.T).clamp(min=1e-12)
    return squared if distance == "squared-euclidean" else torch.sqrt(squared)
