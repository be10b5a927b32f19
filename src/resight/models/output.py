"""What every re-identification model returns while it trains."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["ReidOutput"]


class ReidOutput(NamedTuple):
    """One entry per branch in `metric` and `logits`; single-branch models have one of each."""

    metric: tuple[Tensor, ...]
    """Features that triplet and centre losses read, each (batch, dim)."""
    logits: tuple[Tensor, ...]
    """Identity scores, each (batch, classes)."""
    embedding: Tensor
    """What retrieval compares, (batch, dim); the only thing returned in evaluation mode."""
