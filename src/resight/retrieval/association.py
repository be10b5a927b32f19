"""Tracklets to individuals over cameras: clusters in which no two tracklets exclude each other.

Two tracklets exclude each other when one camera sees both at one time, or when the way between their cameras takes more
or less time than lies between them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, as_features, as_labels, to_numpy
from resight.retrieval.clusters import MEMORY, Hierarchy, all_pairs

__all__ = ["LINKAGES", "Travel", "associate", "out_of_reach", "threshold_between", "together"]

Travel = Mapping[tuple[int, int], tuple[float, float]]
"""(camera, camera) -> the least and most milliseconds from leaving the one to reaching the other, in either direction."""
LINKAGES = ("average", "complete")
"""Ways to measure the distance of two clusters by which clusters that exclude each other are never merged."""


def together(cameras: Array, starts: Array, ends: Array) -> NDArray[np.bool_]:
    """[T, T]: whether one camera sees both tracklets at one time, from `starts` to `ends` [T] inclusive; False on the diagonal.

    Tracklets of an unknown camera (-1) are not seen by the same one.
    """
    cameras, starts, ends = _spans(cameras, starts, ends)
    same = (cameras[:, None] == cameras) & (cameras >= 0)
    at_once = same & (starts[:, None] <= ends) & (starts <= ends[:, None])
    np.fill_diagonal(at_once, False)
    return at_once


def out_of_reach(cameras: Array, starts: Array, ends: Array, travel: Travel) -> NDArray[np.bool_]:
    """[T, T]: tracklets between which lies less or more time than the way between their cameras takes; False on the diagonal.

    The time is from the end of the earlier one to the start of the later one, and below 0 where they overlap. Cameras
    that `travel` does not name are in reach of each other at any time.
    """
    cameras, starts, ends = _spans(cameras, starts, ends)
    between = np.maximum(starts[:, None] - ends, starts - ends[:, None])
    apart = np.zeros(between.shape, bool)
    for (one, other), (least, most) in travel.items():
        pair = (cameras[:, None] == one) & (cameras == other)
        apart |= (pair | pair.T) & ((between < least) | (between > most))
    np.fill_diagonal(apart, False)
    return apart


def associate(
    features: Array,
    apart: NDArray[np.bool_],
    threshold: float,
    metric: str = "cosine",
    linkage: str = "average",
    *,
    memory: float = MEMORY,
) -> NDArray[np.int64]:
    """Merge the nearest clusters of tracklets, never two that hold tracklets `apart`, until none are within `threshold`.

    >>> associate(features, together(cameras, starts, ends), threshold=0.4)  # doctest: +SKIP

    Features [T, D] of tracklets; `apart`, bool [T, T], is symmetric. Returns cluster numbers, int [T], from 0, the largest
    cluster first. The distance of two clusters is the mean over their pairs, or the largest one with linkage `complete`.
    Raises DataError for another linkage, a threshold below 0, and when all pairs need more than `memory` GiB.
    """
    if linkage not in LINKAGES:
        raise DataError(f"linkage {linkage!r}: tracklets are associated with {' or '.join(LINKAGES)}")
    if not threshold >= 0:
        raise DataError(f"threshold {threshold:g}: a distance is expected, of 0 or more")
    points = _as_points(features)
    if len(points) == 1:
        return np.zeros(1, np.int64)
    from scipy.cluster.hierarchy import linkage as merge

    pairs = all_pairs(points, metric, memory)
    largest = float(pairs.max())
    # So large that a mean over the pairs of two clusters is over every other distance if one of them is this.
    pairs[_pairs(apart)] = (largest + 1.0) * len(points) ** 2
    return Hierarchy(merge(pairs, linkage)).cut(min(threshold, largest))


def threshold_between(
    features: Array, apart: NDArray[np.bool_], metric: str = "cosine", share: float = 0.01, *, memory: float = MEMORY
) -> float:
    """The distance that only this share of the pairs `apart`, bool [T, T], lie within: of tracklets seen `together`.

    They show different individuals for certain, which tells without any label how near a model brings those. Raises
    DataError when there are fewer than 1 / share such pairs.
    """
    points = _as_points(features)
    known = all_pairs(points, metric, memory)[_pairs(apart)]
    if len(known) * share < 1:
        raise DataError(
            f"{len(known)} pairs of tracklets are seen at one time by one camera, too few to tell a threshold from; give one"
        )
    return float(np.quantile(known, share))


def _pairs(matrix: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[T, T] -> SciPy's condensed form."""
    from scipy.spatial.distance import squareform

    return squareform(matrix, checks=False)


def _as_points(features: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(to_numpy(as_features(features, "features")), np.float32)


def _spans(cameras: Array, starts: Array, ends: Array) -> tuple[NDArray[np.int64], ...]:
    count = len(cameras)
    named = {"cameras": cameras, "starts": starts, "ends": ends}
    cameras, starts, ends = (as_labels(each, name, count, f"the {count} tracklets") for name, each in named.items())
    if (starts > ends).any():
        raise DataError("a tracklet ends before it starts")
    return cameras, starts, ends
