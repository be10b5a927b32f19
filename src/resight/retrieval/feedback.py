"""Relevance feedback: a query moved towards the answers marked right, and away from those marked wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError

__all__ = ["rocchio"]


def rocchio(
    query: NDArray[np.floating] | None,
    right: NDArray[np.floating],
    wrong: NDArray[np.floating],
    *,
    unit: bool = True,
    weights: tuple[float, float, float] = (1.0, 0.75, 0.15),
) -> NDArray[np.float32]:
    """A query [D], or None, right [R, D] and wrong [W, D] answers -> the moved query [D].

    >>> rocchio(query, features[[3, 7]], features[[9]])

    The weighted sum of the query, the mean of the right and minus the mean of the wrong answers (Rocchio 1971; weights of
    Manning et al. 2008, section 9.1.1), as cosine similarity takes it: all of length one, like what is returned. Without
    `unit`, for Euclidean distances, the sum is divided by that of its weights: a mean, which lies among the answers wherever
    these lie. Raises DataError where they cancel each other out, or nothing is given to search for.
    """
    if query is None and not len(right):
        raise DataError("nothing to search for: give an image, or mark an answer as right")
    parts = [(weights[0], query)] if query is not None else []
    parts += [(weights[1], right.mean(0, dtype=np.float64))] if len(right) else []
    parts += [(-weights[2], wrong.mean(0, dtype=np.float64))] if len(wrong) else []
    moved = np.sum([weight * np.asarray(vector, np.float64) for weight, vector in parts], axis=0)
    size = float(np.linalg.norm(moved)) if unit else sum(weight for weight, _ in parts)
    if size < 1e-6:
        raise DataError("the answers marked wrong cancel out what is searched for; mark fewer of them")
    return np.asarray(moved / size, np.float32)
