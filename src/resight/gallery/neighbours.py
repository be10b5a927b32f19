"""The nearest features of a faiss index, exactly.

faiss compares in float32, where rounding may separate equal distances and reverse close ones. It finds candidates here;
float64 decides among them, and equal ones come in the order of the index. Rows are compared one by one, so that equal
features are equally near wherever they stand, which a matrix product does not promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["Neighbours"]

_ROWS = 4096
"""Features that are taken to float64 at a time."""
_QUERIES = 16
"""Queries at a time. Of fewer than 20, faiss subtracts features instead of multiplying them, which loses less."""
_SPARE = 32


class Neighbours:
    """Searches a flat index of faiss by its own metric: inner products or Euclidean distances.

    >>> scores, rows = next(Neighbours(index).of(query_features, 10))
    """

    def __init__(self, index: Any) -> None:
        self._index = index
        self._products = index.metric_type == faiss.METRIC_INNER_PRODUCT
        stored = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
        self.features = stored.reshape(index.ntotal, index.d)
        """[N, D] as the index stores them, not copied."""
        self._longest = self._norms(self.features).max(initial=0) if self._products else 0.0

    def of(self, queries: NDArray[np.float32], k: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """For each query of [Q, D]: scores and rows of the `k` nearest, or of all where there are fewer, best first.

        A score is the inner product, or minus the Euclidean distance. Features that are not finite compare with nothing
        and are left out.
        """
        for start in range(0, len(queries), _QUERIES):
            chunk = np.ascontiguousarray(queries[start : start + _QUERIES], np.float32)
            yield from self._nearest(chunk, k, k + _SPARE)

    def _nearest(
        self, queries: NDArray[np.float32], k: int, fetched: int
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """`of` by the `fetched` candidates of faiss, or by more where a nearer one may not be among them."""
        if 2 * fetched >= len(self.features):
            everything = np.arange(len(self.features))
            yield from (self._best(values, everything, k) for values in self._compared(queries))
            return
        # Together: threads that start and stop for each query cost more than the search.
        for query, near, found in zip(queries, *self._index.search(queries, fetched), strict=True):
            rows = found[found >= 0]
            values = self._values(query[None], self.features[rows])[0]
            scores, best = self._best(values, rows, k)
            whole = len(rows) == fetched and len(best) == k
            if whole and values[rows == best[-1]][0] < self._least(near[-1], query):
                yield scores, best
            else:
                yield from self._nearest(query[None], k, 8 * fetched)

    def _least(self, last: np.float32, query: NDArray[np.float32]) -> float:
        """The lowest value that a feature can have which faiss puts behind one of value `last`, despite its rounding."""
        width = len(query)
        lost = (width + 8) * 2.0**-23  # each of `width` numbers is rounded when it is made and when it is added
        limits = np.finfo(np.float32)
        if self._products:
            bound = self._longest * self._norms(query[None])[0]
            return -float(last) - lost * bound if bound < limits.max else -np.inf
        return min(float(last), float(limits.max)) * (1 - lost) - width * float(limits.tiny)

    def _compared(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        """The values of all features, [Q, N]."""
        parts = range(0, len(self.features), _ROWS)
        return np.concatenate([self._values(queries, self.features[at : at + _ROWS]) for at in parts], axis=1)

    def _values(self, queries: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Minus the products, or the squared distances, [Q, N]; lower is nearer."""
        left, right = queries.astype(np.float64), features.astype(np.float64)
        return -np.einsum("qd,nd->qn", left, right) if self._products else cdist(left, right, "sqeuclidean")

    def _best(
        self, values: NDArray[np.float64], rows: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        order = np.lexsort((rows, values))
        order = order[np.isfinite(values[order])][:k]
        found = values[order] if self._products else np.sqrt(values[order])
        return 0.0 - found, rows[order]  # not -0.0

    def _norms(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        parts = (features[at : at + _ROWS].astype(np.float64) for at in range(0, len(features), _ROWS))
        norms = [np.sqrt(np.einsum("nd,nd->n", part, part)) for part in parts]
        return np.nan_to_num(np.concatenate([np.empty(0), *norms]), nan=0, posinf=np.inf)
