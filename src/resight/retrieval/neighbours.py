"""Nearest neighbours of all images among themselves, from half of their matrix product: similarity has no direction.

A block of products is looked at twice, along its rows for the images on its left and along its columns for those on
top. Only the blocks on and above the diagonal are computed, and of each only the nearest are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array, to_numpy
from resight.retrieval.parallel import in_parallel
from resight.retrieval.tiles import PAD, whole

__all__ = ["Neighbours", "neighbours", "smallest"]

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]

# Rows and columns of a block at most, whatever the number of threads, so that no value can depend on it: 33 MB.
BLOCK = 15 * PAD
# Blocks along a side at least, where images are enough: threads would wait for the last of fewer.
BLOCKS = 8
# So many similarities are looked at by their largest alone, which says where the nearest can be.
GROUP = 32
# Entries that are sorted at once.
_SORTED = 2**22
# Lower than every similarity.
_NONE = np.float32(-2)


class Neighbours(NamedTuple):
    """Each image's nearest images and how unlike the others are."""

    positions: NDArray[np.int32]
    """[N, k]: nearest first, the image itself among them; equal ones by position."""
    least: Floats
    """[N]: the smallest similarity to any image."""


def neighbours(
    unit: Array, images: int, k: int, kept: Floats | None = None, *, threads: int | None = None
) -> Neighbours:
    """The `k` most similar of `images` features of length 1, padded (see `distance.normalised`), to each of them.

    Similarity is the cosine. Where there are fewer images than `k`, all of them are given. `kept` [Q, images - Q] gets
    the similarities of the first Q images to the others.
    """
    search = _Search(unit, images, min(k, images), kept)
    pairs = [(left, top) for left in search.starts for top in search.starts if left <= top]
    in_parallel(search.look, pairs, threads)
    return Neighbours(search.keys.astype(np.uint32).astype(np.int32), search.least)


class _Search:
    """The nearest that were found so far, as keys: by similarity, the largest first, and then by position."""

    def __init__(self, unit: Array, images: int, k: int, kept: Floats | None) -> None:
        self._unit, self._images, self._k, self._kept = unit, images, k, kept
        self._block = min(BLOCK, whole(-(-images // BLOCKS)))
        self.starts = range(0, images, self._block)
        self._locks = {start: threading.Lock() for start in self.starts}
        self.keys = np.full((images, k), _NOTHING, np.int64)
        self._bound = np.full(images, _NONE, np.float32)
        self.least = np.full(images, np.inf, np.float32)

    def look(self, left: int, top: int) -> None:
        """Take what the block of the images from `left` and those from `top` says of both."""
        height, width = (min(self._block, self._images - start) for start in (left, top))
        rows, columns = (self._unit[start : start + whole(size)] for start, size in ((left, height), (top, width)))
        products = to_numpy(rows @ columns.T)
        self._keep(products[:height, :width], left, top)
        least = [products[:height, :width].min(axis) for axis in (1, 0)]
        products[height:], products[:, width:] = _NONE, _NONE
        self._take(products[:height], least[0], left, top)
        if left != top:
            self._take(products.T[:width], least[1], top, left)

    def _keep(self, products: Floats, left: int, top: int) -> None:
        if self._kept is None or left >= (queries := len(self._kept)):
            return
        skipped = max(0, queries - top)  # columns of queries
        first = max(0, top - queries)
        some = products[: queries - left, skipped:]
        self._kept[left : left + len(some), first : first + some.shape[1]] = some

    def _take(self, products: Floats, least: Floats, first: int, other: int) -> None:
        """Take products [rows, columns] of the images from `first` with those from `other`."""
        own = slice(first, first + len(products))
        rows, columns, similarity = _candidates(products, self._bound[own], self._k)
        keys = _keys(similarity, columns + other)
        with self._locks[first]:
            np.minimum(self.least[own], least, out=self.least[own])
            for changed, those in _merged(self.keys[own], rows, keys):
                self.keys[first + changed] = those
                self._bound[first + changed] = _similarity(those[:, -1])


def _candidates(products: Floats, bound: Floats, k: int) -> tuple[Positions, Positions, Floats]:
    """The entries that may be among the `k` largest of their row, and are no smaller than its `bound`.

    Their rows, ascending, their columns, and themselves. The k-th largest of some groups' largest entries is no larger
    than the k-th largest of all.
    """
    groups = products.shape[1] // GROUP
    grouped = products.reshape(len(products), GROUP, groups)
    tops = grouped.max(1)
    if groups >= k:
        bound = np.maximum(bound, np.partition(tops, groups - k, axis=1)[:, groups - k])
    rows, group = np.nonzero((tops >= bound[:, None]) & (tops > _NONE))
    entries = grouped[rows, :, group]
    near, member = np.nonzero((entries >= bound[rows, None]) & (entries > _NONE))
    return rows[near], member * groups + group[near], entries[near, member]


def _merged(held: Positions, rows: Positions, keys: Positions) -> Iterator[tuple[Positions, Positions]]:
    """The smallest keys of rows that have new ones, some rows at a time: the rows, and their keys in order.

    `held` [N, k] are all rows' keys until now, `keys` new ones of `rows`, which ascend.
    """
    changed, firsts, counts = np.unique(rows, return_index=True, return_counts=True)
    k = held.shape[1]
    step = max(1, _SORTED // (k + int(counts.max(initial=0))))
    for start in range(0, len(changed), step):
        some, count = changed[start : start + step], counts[start : start + step]
        first = firsts[start]
        line = np.repeat(np.arange(len(some)), count)
        place = np.arange(len(line)) - np.repeat(firsts[start : start + step] - first, count)
        among = np.full((len(some), k + int(count.max())), _NOTHING)
        among[:, :k] = held[some]
        among[line, k + place] = keys[first : first + len(line)]
        among.partition(k - 1, axis=1)
        yield some, np.sort(among[:, :k], axis=1)


def _keys(similarity: Floats, positions: Positions) -> Positions:
    """Whole numbers that are smaller the larger the similarity, and then the smaller the position (< 2**32)."""
    bits = (similarity + np.float32(0)).view(np.int32)  # minus zero is zero
    return -_ordered(bits).astype(np.int64) * 2**32 + positions


def _similarity(keys: Positions) -> Floats:
    return _ordered(-(keys >> 32)).astype(np.int32).view(np.float32)


def _ordered(bits: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
    """The bits of floats as whole numbers of the same order, and back."""
    return np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


# The key where nothing was found.
_NOTHING = int(_keys(np.array([_NONE]), np.array([2**32 - 1]))[0])


def smallest(tile: Floats, count: int) -> Positions:
    """Positions of the `count` smallest of each row, ascending; equal ones by position."""
    limits = np.empty(len(tile), tile.dtype)
    for number, row in enumerate(tile):
        limits[number] = np.partition(row, count - 1)[count - 1]
    rows, columns = np.nonzero(tile <= limits[:, None])
    order = np.lexsort((columns, tile[rows, columns], rows))
    firsts = np.searchsorted(rows, np.arange(len(tile)))
    return columns[order[firsts[:, None] + np.arange(count)]]
