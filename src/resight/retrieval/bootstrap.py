"""How sure a figure is: intervals by drawing the identities anew, with replacement (Efron and Tibshirani 1993, chapter 13).

The images of one identity are much alike, so whole identities are drawn, not queries: intervals over queries would be too
narrow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resight.retrieval.arrays import Array, as_labels, to_numpy

__all__ = ["Interval", "interval"]

_DRAWS = 2000


class Interval(NamedTuple):
    """The range in which a mean falls in 95 % of the draws."""

    low: float
    high: float


def interval(
    values: Array, identities: Array, *, confidence: float = 0.95, draws: int = _DRAWS, seed: int = 0
) -> Interval:
    """The percentile interval of the mean of `values` [Q] over their `identities` [Q]; values of nan are not counted.

    >>> interval([0.9, 0.7, 0.2], [1, 1, 2])  # doctest: +SKIP

    With one identity there is nothing to draw from, and both ends are nan. Raises DataError for lengths that differ.
    """
    found = to_numpy(values).astype(np.float64)
    labels = as_labels(identities, "identities", len(found), "values")
    counted = ~np.isnan(found)
    names, group = np.unique(labels[counted], return_inverse=True)
    if len(names) < 2:
        return Interval(np.nan, np.nan)
    sums = np.bincount(group, weights=found[counted], minlength=len(names))
    sizes = np.bincount(group, minlength=len(names))
    # How often each identity is drawn: [draws, identities].
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(times @ sums / (times @ sizes), [tail, 100 - tail])
    return Interval(float(low), float(high))
