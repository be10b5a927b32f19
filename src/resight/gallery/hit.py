"""One answer of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resight.records import Record

__all__ = ["Hit"]


@dataclass(frozen=True, slots=True)
class Hit:
    """An image of the gallery that a query found. Hits come best first."""

    id: int
    """Stable number of the image, 63 bits (`resight.gallery.rows.row_id`): the same in every gallery."""
    score: float
    """Higher is better: cosine similarity in [-1, 1], or minus the (attribute-weighted) Euclidean distance."""
    probability: float | None
    """Calibrated probability that this is the same individual; None where no calibration was made."""
    record: Record
    sure: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute -> the probability of its value, of those that a model recognised."""
