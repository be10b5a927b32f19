"""Scores between each two cameras: which views are hard to match. The gallery is one camera's images at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array, as_labels
from resight.retrieval.distance import Distance, checked_pair, the_metric, tiles_among
from resight.retrieval.protocol import Judgement, Positions
from resight.retrieval.ranks import between, right_ranks
from resight.retrieval.scores import AVERAGE_PRECISION
from resight.retrieval.tiles import over_tiles

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
    """Evaluate each camera's queries [Q] in each camera's gallery images [G], one pass over all distances.

    >>> camera_pairs(q, g, evaluate(q, g, ...).judgement, [1, 2], [1, 1, 2]).rank_1  # doctest: +SKIP

    A cell equals `evaluate` on those queries and images alone. `judgement` is that of an evaluation of the same
    features; average precision is the mean of the precision at each right answer. Raises DataError for bad features.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    columns = judgement.columns
    theirs = as_labels(gallery_cameras, "gallery_cameras", len(gallery), "the gallery")[columns]
    ours = as_labels(query_cameras, "query_cameras", len(query), "the queries")
    tiles = tiles_among(the_metric(metric), query, gallery, columns)
    order = np.argsort(theirs, kind="stable")
    names, firsts = np.unique(theirs[order], return_index=True)
    bounds = np.append(firsts, len(order))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    precision_of = AVERAGE_PRECISION["precision"]

    def look(start: int, stop: int) -> Floats:
        """[rows, B, 2]: average precision, and whether the nearest is right; nan where there is no match."""
        found = np.full((stop - start, len(names), 2), np.nan)
        tile = tiles(start, stop)
        good, out = (
            [np.sort(place[of_one]) for of_one in of[start:stop]] for of in (judgement.good, judgement.left_out)
        )
        for camera, (first, last) in enumerate(pairwise(bounds)):
            mine, hidden = ([between(places, first, last) for places in of] for of in (good, out))
            for number, (ranks, count) in enumerate(right_ranks(tile[:, order[first:last]], mine, hidden)):
                if count:
                    found[number, camera] = precision_of(ranks, np.arange(1, count + 1)).mean(), ranks[0] == 1
        return found

    each = np.concatenate(over_tiles(look, tiles.rows, tiles.columns, threads))
    asking = np.unique(ours)
    counted = np.stack([(~np.isnan(each[ours == camera, :, 0])).sum(0) for camera in asking])
    sums = np.stack([np.nansum(each[ours == camera], axis=0) for camera in asking])
    with np.errstate(invalid="ignore"):
        means = sums / np.where(counted, counted, np.nan)[:, :, None]
    return CameraPairs(asking, names, means[..., 0], means[..., 1], counted)
