"""Searches in which each query is clustered anew, together with the gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, to_numpy
from resight.retrieval.clusters import Hierarchical, Hierarchy, all_pairs, compared
from resight.retrieval.distance import checked_pair, distances
from resight.retrieval.scores import Evaluation, evaluate_retrieved

__all__ = ["MOST", "companions", "search_anew"]

MOST = 2_000_000
"""Queries × gallery images that are clustered anew unless more is asked for.

For 650 queries in 1,900 images, a little more than half of it, one core takes some 40 seconds; the time for a query grows with
the square of the images.
"""


def search_anew(
    method: Hierarchical,
    query_features: Array,
    gallery_features: Array,
    *,
    metric: str,
    own: NDArray[np.int64],
    most: int = MOST,
    progress: Callable[[int], object] | None = None,
    **rules: Any,
) -> Evaluation:
    """Evaluate a search in which a query is clustered with the whole gallery and retrieves its own cluster, nearest first.

    The VAE report tried this and found it too slow (section 3.4). Everything else is as in
    `resight.retrieval.clusters.search_within`; raises DataError as `companions` does.
    """
    retrieved = companions(
        method, query_features, gallery_features, metric=metric, own=own, most=most, progress=progress
    )
    return evaluate_retrieved(query_features, gallery_features, retrieved=retrieved, own=own, metric=metric, **rules)


def companions(
    method: Hierarchical,
    query_features: Array,
    gallery_features: Array,
    *,
    metric: str,
    own: NDArray[np.int64],
    most: int = MOST,
    progress: Callable[[int], object] | None = None,
) -> list[NDArray[np.int64]]:
    """For each of the queries [Q, D] the gallery images [G, D] in its cluster, when it is clustered together with them all.

    Each takes a hierarchy over all pairs, which the method cuts at its threshold, or into its number of clusters. A query
    that is itself the gallery image `own[i]`, int [Q], below 0 where it is none, takes no second place in it. Raises
    DataError for more than `most` queries × images, or when the method compares neighbours alone.
    """
    queries, gallery = (
        np.asarray(to_numpy(side), np.float32) for side in checked_pair(query_features, gallery_features)
    )
    if method.neighbours is not None:
        raise DataError("clustering anew for each query compares all pairs; leave out the neighbours")
    if len(queries) * len(gallery) > most:
        raise DataError(
            f"clustering anew for each of {len(queries):,} queries among {len(gallery):,} images takes a hierarchy for each: "
            f"{len(queries) * len(gallery):,} queries × images, over the limit of {most:,}; give fewer, or raise the limit"
        )
    from scipy.cluster.hierarchy import linkage as merge

    both = np.concatenate((queries, gallery))
    placed, measure = compared(both, metric, method.linkage)
    asked, shown = placed[: len(queries)], placed[len(queries) : len(both)]
    pairs = all_pairs(shown, measure, method.memory)
    alone: NDArray[np.int64] | None = None
    result = []
    for number, place in enumerate(own.tolist()):
        if place >= 0:
            if alone is None:
                alone = _cut(Hierarchy(merge(pairs, method.linkage)), method)
            labels, of_query = alone, alone[place]
        else:
            # In the condensed form the first row is the first image's distances to all others.
            row = distances(asked[number : number + 1], shown, measure)[0].astype(np.float64)
            together = _cut(Hierarchy(merge(np.concatenate((row, pairs)), method.linkage)), method)
            labels, of_query = together[1:], together[0]
        result.append(np.flatnonzero(labels == of_query))
        if progress is not None:
            progress(1)
    return result


def _cut(tree: Hierarchy, method: Hierarchical) -> NDArray[np.int64]:
    return tree.cut(method.height(tree))
