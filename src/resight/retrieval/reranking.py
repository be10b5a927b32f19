"""k-reciprocal re-ranking (Zhong et al. 2017), sparse: no matrix of all pairs is ever held.

An image is described by its k-reciprocal neighbours, at most some dozens of all N images, so the sets of neighbours
are rows of sparse matrices, and every step of the paper is a product of such matrices. The only dense steps are the N×N
product that finds the neighbours, of which half is computed (see `neighbours`), and the queries' distances [Q, G], which
are computed a few rows at a time where they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from resight.errors import DataError
from resight.retrieval.arrays import Array, to_numpy
from resight.retrieval.distance import checked_pair, normalised_together
from resight.retrieval.neighbours import neighbours, smallest
from resight.retrieval.tiles import HELD_BYTES, Tiles, copies, over_tiles, whole

__all__ = ["KReciprocal", "rerank", "rerank_distances", "reranked_tiles"]

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
    result = np.empty((len(query), len(gallery)), np.float32)
    source = _Features(query, gallery, result)
    return _filled(result, _Reranked(source, len(query), KReciprocal(k1, k2, lambda_value), threads), threads)


def reranked_tiles(query: Array, gallery: Array, settings: KReciprocal, *, threads: int | None = None) -> Tiles:
    """`rerank` for features that are checked already, its result computed a few rows at a time."""
    few = 4 * len(query) * len(gallery) <= HELD_BYTES
    kept = np.empty((len(query), len(gallery)), np.float32) if few else None
    return _Reranked(_Features(query, gallery, kept), len(query), settings, threads)


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
    result = np.empty((queries, len(matrix) - queries), np.float32)
    return _filled(result, _Reranked(_Matrix(matrix), queries, KReciprocal(k1, k2, lambda_value), threads), threads)


def _filled(result: Floats, tiles: Tiles, threads: int | None) -> Floats:
    def fill(start: int, stop: int) -> None:
        result[start:stop] = tiles(start, stop)

    over_tiles(fill, tiles.rows, tiles.columns, threads)
    return result


class _Source(Protocol):
    """Original distances among all images, a few at a time."""

    count: int

    def asked(self, start: int, stop: int, first: int) -> Floats:
        """Of images `start` to `stop` to those from `first` on; the caller may write into it."""
        ...  # pragma: no cover

    def between(self, image: int, others: NDArray[np.integer]) -> Floats: ...  # pragma: no cover

    def nearest(self, count: int, threads: int | None) -> tuple[NDArray[np.int32], Floats]:
        """Each image's nearest images [N, count], itself among them, and its largest distance [N]."""
        ...  # pragma: no cover


class _Features:
    def __init__(self, query: Array, gallery: Array, kept: Floats | None) -> None:
        """`kept` [Q, G] is written, and read again where distances are asked for."""
        self.count = len(query) + len(gallery)
        self._unit = normalised_together(query, gallery)
        self._rows = to_numpy(self._unit)
        self._copies, self._firsts = copies(self._unit[len(query) : self.count])
        self._kept = kept

    def asked(self, start: int, stop: int, first: int) -> Floats:
        if self._kept is not None:
            tile = self._kept[start:stop].copy()
        else:
            tile = to_numpy(self._unit[start : start + whole(stop - start)] @ self._unit.T)
            tile = tile[: stop - start, first : self.count]
        tile[:, self._copies] = tile[:, self._firsts]
        return _squared(tile)

    def between(self, image: int, others: NDArray[np.integer]) -> Floats:
        return _squared(self._rows[others] @ self._rows[image])

    def nearest(self, count: int, threads: int | None) -> tuple[NDArray[np.int32], Floats]:
        found = neighbours(self._unit, self.count, count, self._kept, threads=threads)
        return found.positions, _squared(found.least)


def _squared(similarity: Floats) -> Floats:
    """Squared Euclidean distances of features of length 1, written in place of their cosines."""
    np.multiply(similarity, -2, out=similarity)
    np.add(similarity, 2, out=similarity)
    return np.maximum(similarity, 0, out=similarity)


class _Matrix:
    def __init__(self, matrix: NDArray[np.floating]) -> None:
        self.count, self._matrix = len(matrix), matrix

    def asked(self, start: int, stop: int, first: int) -> Floats:
        return self._matrix[start:stop, first:].astype(np.float32)

    def between(self, image: int, others: NDArray[np.integer]) -> Floats:
        return self._matrix[image, others].astype(np.float32)

    def nearest(self, count: int, threads: int | None) -> tuple[NDArray[np.int32], Floats]:
        found = np.empty((self.count, min(count, self.count)), np.int32)
        largest = np.empty(self.count, np.float32)

        def fill(start: int, stop: int) -> None:
            tile = self.asked(start, stop, 0)
            largest[start:stop], found[start:stop] = tile.max(1), smallest(tile, found.shape[1])

        over_tiles(fill, self.count, self.count, threads)
        return found, largest


class _Reranked:
    """Re-ranked distances as Tiles: queries in rows, gallery images in columns."""

    def __init__(self, source: _Source, queries: int, settings: KReciprocal, threads: int | None) -> None:
        self.rows, self.columns = queries, source.count - queries
        self._source, self._share = source, settings.lambda_value
        # k1 neighbours besides the image itself, which is its own nearest.
        positions, largest = source.nearest(max(settings.k1 + 1, settings.k2), threads)
        self._largest = np.where(largest > 0, largest, 1)  # all images are equal: nothing to divide by
        self._weights = _weights(source, _expanded(positions, settings.k1), self._largest, threads)
        if settings.k2 > 1:
            near = positions[:, : settings.k2]
            self._weights = (_members(near) @ self._weights) * np.float32(1 / near.shape[1])
        # Which gallery images have a given neighbour.
        self._holders = self._weights[queries:].tocsc()

    def __call__(self, start: int, stop: int) -> Floats:
        tile = self._source.asked(start, stop, self.rows)
        for image, row in enumerate(tile, start):
            row *= self._share / self._largest[image]
            row += (1 - self._share) * self._jaccard(image)
        return tile

    def _jaccard(self, image: int) -> NDArray[np.float64]:
        """Jaccard distance to each gallery image (equation 10, the sum of maxima being 2 - that of minima)."""
        weights, holders = self._weights, self._holders
        own = slice(weights.indptr[image], weights.indptr[image + 1])
        firsts = holders.indptr[weights.indices[own]]
        counts = holders.indptr[weights.indices[own] + 1] - firsts
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(firsts - ends + counts, counts)
        shared = np.minimum(holders.data[places], np.repeat(weights.data[own], counts))
        minima = np.bincount(holders.indices[places], shared, self.columns)
        return 1 - minima / (2 - minima)


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
