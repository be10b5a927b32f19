"""The nearest of many features, exactly.

A matrix product in float32 compares with all of them, and may separate equal distances and reverse close ones. It finds
candidates here, as many as its rounding may confuse; float64 decides among them, and equal ones come by their keys. Rows
are compared one by one in float64, so that equal features are equally near wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["Neighbours", "gathered", "squared_lengths"]

_ROWS = 4096
"""Features that are taken to float64, or from their places, at a time."""
_VALUES = 2**24
"""Values of features and queries that are held at a time."""
_QUERIES = 64


class Neighbours:
    """Searches features by inner products, or by Euclidean distances.

    >>> scores, rows = next(Neighbours([features], squared_lengths(features), keys, products=True).of(queries, 10))

    `parts` are matrices [N_i, D], one below the other, such as a memory map and what came after it; `squared` [N] are
    their squared lengths, and `keys` [N] order equal ones.
    """

    def __init__(
        self,
        parts: Sequence[NDArray[np.float32]],
        squared: NDArray[np.float64],
        keys: NDArray[np.int64],
        *,
        products: bool,
    ) -> None:
        self._parts, self._squared, self._keys, self._products = parts, squared, keys, products

    def of(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """For each query of [Q, D]: scores and rows of the `k` nearest, or of all where there are fewer, best first.

        `rows` are those that may be found, all where None. A score is the inner product, or minus the Euclidean distance.
        Features that are not finite compare with nothing and are left out.
        """
        count = len(self._keys) if rows is None else len(rows)
        at_once = max(1, min(_QUERIES, _VALUES // max(1, count)))
        for start in range(0, len(queries), at_once):
            chunk = np.ascontiguousarray(queries[start : start + at_once], np.float32)
            if 2 * k >= count:
                everything = np.arange(count) if rows is None else rows
                yield from (self._best(query, everything, k) for query in chunk)
            else:
                yield from self._nearest(chunk, k, rows)

    def _nearest(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._compared(queries, rows)
            squared = self._squared if rows is None else self._squared[rows]
            longest = np.sqrt(np.nan_to_num(squared, nan=0, posinf=np.inf).max(initial=0))
            for query, row in zip(queries, values, strict=True):
                near = self._candidates(query, row, squared, longest, k)
                yield self._best(query, near if rows is None else rows[near], k)

    def _candidates(
        self,
        query: NDArray[np.float32],
        products: NDArray[np.float32],
        squared: NDArray[np.float64],
        longest: float,
        k: int,
    ) -> NDArray[np.int64]:
        """Places of all that may be among the `k` nearest, despite float32's rounding."""
        length = float(np.sqrt(squared_lengths(query[None])[0]))
        # Each of D numbers is rounded when it is made and when it is added.
        lost = (len(query) + 8) * 2.0**-23 * longest * length + len(query) * float(np.finfo(np.float32).tiny)
        values = -products if self._products else squared - 2 * products.astype(np.float64)
        margin = lost if self._products else 2 * lost + 2.0**-40 * longest**2
        if not (np.isfinite(margin) and longest * length < np.finfo(np.float32).max):
            return np.arange(len(values))
        values = np.where(np.isnan(values), np.inf, values)
        return np.flatnonzero(values <= np.partition(values, k - 1)[k - 1] + 2 * margin)

    def _compared(self, queries: NDArray[np.float32], rows: NDArray[np.int64] | None) -> NDArray[np.float32]:
        """Inner products [Q, N], or [Q, len(rows)]."""
        total = len(self._keys)
        if rows is not None and 4 * len(rows) < total:
            found = [queries @ gathered(self._parts, rows[at : at + _ROWS]).T for at in range(0, len(rows), _ROWS)]
            return np.concatenate([np.empty((len(queries), 0), np.float32), *found], axis=1)
        values = np.concatenate([queries @ part.T for part in self._parts], axis=1)
        return values if rows is None else values[:, rows]

    def _best(
        self, query: NDArray[np.float32], rows: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The `k` nearest of these, by float64."""
        parts = (gathered(self._parts, rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS))
        values = np.concatenate([np.empty(0), *(self._values(query, part) for part in parts)])
        order = np.lexsort((self._keys[rows], values))
        order = order[np.isfinite(values[order])][:k]
        found = values[order] if self._products else np.sqrt(values[order])
        return 0.0 - found, rows[order]  # not -0.0

    def _values(self, query: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Minus the products, or the squared distances; lower is nearer."""
        left, right = query[None].astype(np.float64), features.astype(np.float64)
        return -np.einsum("qd,nd->qn", left, right)[0] if self._products else cdist(left, right, "sqeuclidean")[0]


def gathered(parts: Sequence[NDArray[np.float32]], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """These rows of matrices that stand one below the other, [len(rows), D]."""
    found = np.empty((len(rows), parts[0].shape[1]), np.float32)
    start = 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        found[here] = part[rows[here] - start]
        start += len(part)
    return found


def squared_lengths(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """[N, D] -> [N], in float64."""
    parts = (features[at : at + _ROWS].astype(np.float64) for at in range(0, len(features), _ROWS))
    return np.concatenate([np.empty(0), *(np.einsum("nd,nd->n", part, part) for part in parts)])
