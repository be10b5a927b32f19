"""A query of one or more images of one individual: combined, moved towards its neighbours, and its answers re-ranked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from resight.errors import DataError
from resight.gallery.neighbours import squared_lengths
from resight.retrieval import AttributeWeighted, rerank
from resight.retrieval.expansion import blend

__all__ = ["Combine", "Individual", "reordered", "similarities", "unit"]

Combine = Literal["mean", "best"]
_RERANKED = 100
"""Hits that re-ranking orders anew."""
_NEAR = 1e-6
"""Vectors whose length is this near to 1 are left as they are, so that what was stored stays what was made."""


@dataclass(frozen=True)
class Individual:
    """Features [N, D] of one individual, its attributes' probabilities [N, A], and how it is to be searched for.

    Raises DataError where there is no image, and for a negative `expand`.
    """

    features: NDArray[np.float32]
    attributes: NDArray[np.float32] | None = None
    own: Collection[str] = frozenset()
    """Keys of its files, which are no hits."""
    combine: Combine = "mean"
    expand: int = 0
    rerank: bool = False
    without: Sequence[int] | NDArray[np.int64] = ()
    """Ids of images that are no hits."""

    def __post_init__(self) -> None:
        if not len(self.features):
            raise DataError("a search needs at least one picture")
        if self.combine not in ("mean", "best"):
            raise DataError(f"combine {self.combine!r}: it is mean or best")
        if self.expand < 0:
            raise DataError(f"expansion by {self.expand} neighbours: it must be at least 1, or 0 for none")

    @property
    def depth(self) -> int:
        """Hits that are needed whatever their number asked for."""
        return _RERANKED if self.rerank else 0

    def combined(self, metric: str) -> Self:
        """What is compared: each image, or their mean."""
        features = unit(self.features) if metric == "cosine" else self.features
        if self.combine == "best" or len(features) == 1:
            return replace(self, features=features)
        mean = features.mean(0, keepdims=True, dtype=np.float64).astype(np.float32)
        beside = None if self.attributes is None else self.attributes.mean(0, keepdims=True)
        return replace(self, features=unit(mean) if metric == "cosine" else mean, attributes=beside)

    def towards(self, neighbours: NDArray[np.float32], metric: str) -> Self:
        """Each image blended with the individual's neighbours [K, D]."""
        if not len(neighbours):
            return self
        moved = np.stack([blend(query, neighbours) for query in self.features])
        return replace(self, features=unit(moved) if metric == "cosine" else moved)


def unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N, D] with rows of length 1; those that have it, and rows of zeros, as they are."""
    lengths = np.sqrt(squared_lengths(features))
    lengths[(np.abs(lengths - 1) < _NEAR) | (lengths == 0)] = 1
    return features if (lengths == 1).all() else (features / lengths[:, None]).astype(np.float32)


def similarities(
    queries: Individual, vectors: NDArray[np.float32], attributes: NDArray[np.float32] | None, metric: str
) -> NDArray[np.float64]:
    """The score of each vector [N, D] for the query, or for the best of its images."""
    asked, found = queries.features.astype(np.float64), vectors.astype(np.float64)
    if metric == "cosine":
        return (asked @ found.T).max(0)
    distances = cdist(asked, found)
    if metric == AttributeWeighted.name and attributes is not None and queries.attributes is not None:
        floor = AttributeWeighted.floor
        distances *= floor + cdist(queries.attributes.astype(np.float64), attributes.astype(np.float64))
    return -distances.min(0)


def reordered(queries: Individual, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of the vectors [N, D], given best first: the first hundred by k-reciprocal neighbours, then the others."""
    head = vectors[:_RERANKED]
    order = np.argsort(rerank(queries.features, head).min(0), kind="stable")
    return np.concatenate([order, np.arange(len(head), len(vectors))])
