"""Scores between each two cameras: which views are hard to match. The gallery is one camera's images at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array, as_labels
from resight.retrieval.distance import Distance, checked_pair, the_metric
from resight.retrieval.protocol import Judgement, Positions, among
from resight.retrieval.ranks import ranks_of
from resight.retrieval.scores import AVERAGE_PRECISION

__all__ = ["CameraPairs", "camera_pairs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CameraPairs:
    """A row for each camera of the queries, a column for each of the gallery."""

    query_cameras: Positions
    """[A], ascending."""
    gallery_cameras: Positions
    """[B], ascending."""
    mean_average_precision: Floats
    """[A, B] in [0, 1]: mAP of the row's queries where the gallery is the column's images; nan where none has a match."""
    rank_1: Floats
    """[A, B]: share of them whose nearest image is right."""
    queries: Positions
    """[A, B]: how many have a match there."""

    def summary(self) -> list[dict[str, float | int]]:
        """A line for each pair in which a query has a match."""
        return [
            {
                "query camera": int(self.query_cameras[row]),
                "gallery camera": int(self.gallery_cameras[column]),
                "mAP": float(self.mean_average_precision[row, column]),
                "rank-1": float(self.rank_1[row, column]),
                "queries": int(self.queries[row, column]),
            }
            for row, column in zip(*np.nonzero(self.queries), strict=True)
        ]


def camera_pairs(
    query_features: Array,
    gallery_features: Array,
    judgement: Judgement,
    query_cameras: Array,
    gallery_cameras: Array,
    metric: str | Distance = "cosine",
    *,
    threads: int | None = None,
) -> CameraPairs:
    """Evaluate each camera's queries [Q] in each camera's gallery images [G], the gallery of one camera after the other.

    >>> camera_pairs(q, g, evaluate(q, g, ...).judgement, [1, 2], [1, 1, 2]).rank_1  # doctest: +SKIP

    A cell equals `evaluate` on those queries and images alone. `judgement` is that of an evaluation of the same
    features; average precision is the mean of the precision at each right answer. Raises DataError for bad features.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    columns = judgement.columns
    theirs = as_labels(gallery_cameras, "gallery_cameras", len(gallery), "the gallery")[columns]
    ours = as_labels(query_cameras, "query_cameras", len(query), "the queries")
    metric, names = the_metric(metric), np.unique(theirs)
    precision_of = AVERAGE_PRECISION["precision"]
    # Average precision, and whether the nearest is right; nan where there is no match.
    each = np.full((len(query), len(names), 2), np.nan)
    for camera, name in enumerate(names):
        some = among(judgement, np.flatnonzero(theirs == name))
        for number, (ranks, count) in enumerate(ranks_of(metric, query, gallery, some, threads=threads)):
            if count:
                each[number, camera] = precision_of(ranks, np.arange(1, count + 1)).mean(), ranks[0] == 1
    asking = np.unique(ours)
    counted = np.stack([(~np.isnan(each[ours == camera, :, 0])).sum(0) for camera in asking])
    sums = np.stack([np.nansum(each[ours == camera], axis=0) for camera in asking])
    with np.errstate(invalid="ignore"):
        means = sums / np.where(counted, counted, np.nan)[:, :, None]
    return CameraPairs(asking, names, means[..., 0], means[..., 1], counted)
