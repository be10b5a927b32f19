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
    weights: tuple[float, float, float] = (1.0, 0.75, 0.15),
) -> NDArray[np.float32]:
    """A query [D], or None, right [R, D] and wrong [W, D] answers, all of length one -> the moved query [D], of length one.

    >>> rocchio(query, features[[3, 7]], features[[9]])

    The weighted sum of the query, the mean of the right and minus the mean of the wrong answers (Rocchio 1971; weights of
    Manning et al. 2008, section 9.1.1). Raises DataError where they cancel each other out, or nothing is given to search for.
    """
    if query is None and not len(right):
        raise DataError("nothing to search for: give an image, or mark an answer as right")
    own, towards, away = weights
    moved = np.zeros(right.shape[1] if query is None else len(query))
    if query is not None:
        moved += own * query
    if len(right):
        moved += towards * right.mean(0, dtype=np.float64)
    if len(wrong):
        moved -= away * wrong.mean(0, dtype=np.float64)
    length = np.linalg.norm(moved)
    if length < 1e-6:
        raise DataError("the answers marked wrong cancel out what is searched for; mark fewer of them")
    return np.asarray(moved / length, np.float32)
