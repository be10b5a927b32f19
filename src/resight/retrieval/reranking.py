"""k-reciprocal re-ranking (Zhong et al. 2017), sparse: no matrix of all pairs is ever held.

An image is described by its k-reciprocal neighbours, at most some dozens of all N images, so the sets of neighbours
are rows of sparse matrices, and every step of the paper is a product of such matrices. The only dense step is the N×N
product that finds the neighbours; it is done in tiles, of which only the nearest neighbours are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from resight.errors import DataError
from resight.retrieval.arrays import Array, is_tensor, to_numpy
from resight.retrieval.distance import checked_pair, normalised
from resight.retrieval.tiles import Products, over_tiles

__all__ = ["KReciprocal", "rerank", "rerank_distances", "rerank_features"]

Sparse: TypeAlias = Any  # a scipy.sparse.csr_array; SciPy has no types of its own
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KReciprocal:
    """Settings of k-reciprocal re-ranking; the defaults are the paper's for Market-1501."""

    k1: int = 20
    """Neighbours among which mutual ones are looked for."""
    k2: int = 6
    """Neighbours whose descriptions are averaged."""
    lambda_value: float = 0.3
    """Share of the original distance in the result."""

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise DataError(f"re-ranking with k1 = {self.k1}, k2 = {self.k2}: both must be at least 1")
        if not 0 <= self.lambda_value <= 1:
            raise DataError(f"re-ranking with lambda = {self.lambda_value}: it must lie from 0 to 1")


def rerank(
    query_features: Array,
    gallery_features: Array,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    threads: int | None = None,
) -> Floats:
    """Re-ranked distances, float32 [Q, G], for features [Q, D] and [G, D].

    (1 - lambda) · Jaccard distance of the k-reciprocal neighbours + lambda · original distance, where the original is
    the squared Euclidean distance of the L2-normalised features, divided by the largest one of each query. Junk should
    be left out of the gallery beforehand, as `evaluate` does. Raises DataError for bad features or settings.
    """
    query, gallery = checked_pair(query_features, gallery_features)
    return rerank_features(query, gallery, KReciprocal(k1, k2, lambda_value), threads=threads)


def rerank_features(query: Array, gallery: Array, settings: KReciprocal, *, threads: int | None = None) -> Floats:
    """`rerank` for features that are checked already."""
    if is_tensor(query):
        import torch

        return _rerank(_Features(torch.cat((query, gallery))), len(query), settings, threads)
    return _rerank(_Features(np.concatenate((query, gallery))), len(query), settings, threads)


def rerank_distances(
    distances: Array,
    queries: int,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    *,
    threads: int | None = None,
) -> Floats:
    """Re-ranked distances, float32 [Q, G], from original ones [Q + G, Q + G] among queries and gallery together.

    The first `queries` rows and columns are the queries'. The distances are taken as they are: give squared Euclidean
    ones for the paper's result. Raises DataError when the matrix is not square or not finite.
    """
    matrix = to_numpy(distances)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not 0 < queries < len(matrix):
        raise DataError(
            f"distances have shape {matrix.shape}, of which {queries} are queries; they must be [Q + G, Q + G]"
        )
    if not np.isfinite(matrix).all():
        raise DataError("distances hold nan or infinity; see which images gave them")
    return _rerank(_Matrix(matrix), queries, KReciprocal(k1, k2, lambda_value), threads)


class _Source(Protocol):
    """Original distances among all images, a few at a time."""

    count: int

    def tile(self, start: int, stop: int) -> Floats: ...  # pragma: no cover

    def between(self, image: int, others: NDArray[np.integer]) -> Floats: ...  # pragma: no cover


class _Features:
    def __init__(self, features: Array) -> None:
        self.count = len(features)
        unit = normalised(features)
        self._products = Products(unit, len(features), unit, len(features))
        self._rows = to_numpy(unit)

    def tile(self, start: int, stop: int) -> Floats:
        tile = self._products(start, stop)
        np.multiply(tile, -2, out=tile)
        np.add(tile, 2, out=tile)
        return np.maximum(tile, 0, out=tile)

    def between(self, image: int, others: NDArray[np.integer]) -> Floats:
        return np.maximum(2 - 2 * (self._rows[others] @ self._rows[image]), 0)


class _Matrix:
    def __init__(self, matrix: NDArray[np.floating]) -> None:
        self.count, self._matrix = len(matrix), matrix

    def tile(self, start: int, stop: int) -> Floats:
        return self._matrix[start:stop].astype(np.float32)

    def between(self, image: int, others: NDArray[np.integer]) -> Floats:
        return self._matrix[image, others].astype(np.float32)


def _rerank(source: _Source, queries: int, settings: KReciprocal, threads: int | None) -> Floats:
    result = np.empty((queries, source.count - queries), np.float32)
    # k1 neighbours besides the image itself, which is its own nearest.
    neighbours, largest = _nearest(source, max(settings.k1 + 1, settings.k2), result, threads)
    mutual = _expanded(neighbours, settings.k1)
    weights = _weights(source, mutual, largest, threads)
    if settings.k2 > 1:
        nearest = neighbours[:, : settings.k2]
        weights = (_members(nearest) @ weights) * np.float32(1 / nearest.shape[1])
    _blend(result, weights, queries, settings.lambda_value, threads)
    return result


def _nearest(source: _Source, count: int, result: Floats, threads: int | None) -> tuple[NDArray[np.int32], Floats]:
    """Each image's nearest images [N, count], itself among them, and its largest distance [N].

    Writes the original distances of the queries, divided by their largest, into `result`.
    """
    queries, count = len(result), min(count, source.count)
    nearest = np.empty((source.count, count), np.int32)
    largest = np.empty(source.count, np.float32)

    def fill(start: int, stop: int) -> None:
        tile = source.tile(start, stop)
        top = tile.max(1)
        largest[start:stop] = np.where(top > 0, top, 1)  # all images are equal: nothing to divide by
        nearest[start:stop] = _smallest(tile, count)
        last = min(stop, queries)
        if start < last:
            result[start:last] = tile[: last - start, queries:] / largest[start:last, None]

    over_tiles(fill, source.count, source.count, threads)
    return nearest, largest


def _smallest(tile: Floats, count: int) -> NDArray[np.int64]:
    """Positions of the `count` smallest of each row, ascending; equal ones by position."""
    limits = np.empty(len(tile), np.float32)
    for number, row in enumerate(tile):
        limits[number] = np.partition(row, count - 1)[count - 1]
    rows, columns = np.nonzero(tile <= limits[:, None])
    order = np.lexsort((columns, tile[rows, columns], rows))
    firsts = np.searchsorted(rows, np.arange(len(tile)))
    return columns[order[firsts[:, None] + np.arange(count)]]


def _members(neighbours: NDArray[np.int32]) -> Sparse:
    """Rows of positions [N, k] as a sparse matrix [N, N] of ones."""
    count, width = neighbours.shape
    ones = np.ones(neighbours.size, np.float32)
    return sparse.csr_array((ones, neighbours.ravel(), np.arange(0, neighbours.size + 1, width)), shape=(count, count))


def _mutual(neighbours: NDArray[np.int32], k: int) -> Sparse:
    """R(i, k) of equation 2: of an image's k nearest, and itself, those that have it among their own k nearest."""
    members = _members(neighbours[:, : k + 1])
    return members.multiply(members.T).tocsr()


def _expanded(neighbours: NDArray[np.int32], k1: int) -> Sparse:
    """R*(i, k1) of equation 3, ones in a sparse matrix [N, N]."""
    mutual = _mutual(neighbours, k1)
    # Half of k1 is rounded as NumPy does, to the even one, because the authors' code does.
    half = _mutual(neighbours, int(np.around(k1 / 2)))
    sizes = half.sum(1)
    overlap = mutual.multiply(mutual @ half.T).tocoo()
    joined = overlap.data > np.float32(2 / 3) * sizes[overlap.col]
    pairs = (np.ones(int(joined.sum()), np.float32), (overlap.row[joined], overlap.col[joined]))
    expanded = mutual + sparse.csr_array(pairs, shape=mutual.shape) @ half
    expanded.data[:] = 1
    expanded.sort_indices()
    return expanded


def _weights(source: _Source, mutual: Sparse, largest: Floats, threads: int | None) -> Sparse:
    """Equation 7: exp(-distance) to each of R*, normalised to a sum of 1."""
    values = np.empty(mutual.nnz, np.float32)

    def fill(start: int, stop: int) -> None:
        for image in range(start, stop):
            own = slice(mutual.indptr[image], mutual.indptr[image + 1])
            near = np.exp(-source.between(image, mutual.indices[own]) / largest[image])
            values[own] = near / near.sum()

    over_tiles(fill, source.count, 1, threads)
    return sparse.csr_array((values, mutual.indices, mutual.indptr), shape=mutual.shape)


def _blend(result: Floats, weights: Sparse, queries: int, lambda_value: float, threads: int | None) -> None:
    """(1 - lambda) · Jaccard (equation 10, the sum of maxima being 2 - that of minima) + lambda · original."""
    holders = weights[queries:].tocsc()  # which gallery images have a given neighbour
    gallery = holders.shape[0]

    def fill(start: int, stop: int) -> None:
        for image in range(start, stop):
            own = slice(weights.indptr[image], weights.indptr[image + 1])
            firsts = holders.indptr[weights.indices[own]]
            counts = holders.indptr[weights.indices[own] + 1] - firsts
            ends = np.cumsum(counts)
            places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(firsts - ends + counts, counts)
            shared = np.minimum(holders.data[places], np.repeat(weights.data[own], counts))
            minima = np.bincount(holders.indices[places], shared, gallery)
            jaccard = 1 - minima / (2 - minima)
            result[image] = (1 - lambda_value) * jaccard + lambda_value * result[image]

    over_tiles(fill, queries, 1, threads)
