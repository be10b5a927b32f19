"""The matrix product behind every distance, computed in tiles whose values depend on the features alone.

A BLAS may round the same dot product differently in a call of another size, at another place in the matrix, or with
another number of threads. Therefore both sides are padded to whole blocks of its kernels, each tile is computed by one
thread while several tiles run at once, and the columns of equal features are copied. No score can then depend on tile
sizes or thread counts, and copies of an image have equal distances wherever they stand in the gallery. Where a gallery is
taken in parts, of which two may have a copy each, columns are computed where all are computed alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from resight.retrieval.arrays import Array, is_tensor, to_numpy
from resight.retrieval.parallel import in_parallel, workers_of

__all__ = ["Products", "Tiles", "copies", "over_tiles", "padded", "whole"]

# The kernels in use take 4, 6, 8, 12, 16, 24, 32, 48 or 64 rows or columns at a time. All of them divide 192, so no
# product ends in a kernel for leftovers, which rounds differently (OpenBLAS for AVX2 takes 12 rows).
PAD = 192
# Fewer rows cost speed (the right side is packed anew for each tile), more cost memory, which takes time to be had as well:
# so many reach the speed of one large product within 6 %.
ROWS = 768
# So many numbers of two rows tell nearly always whether the rows differ.
_FIRST = 64
# Blocks of columns of which all but the first and last EDGE may be computed alike: OpenBLAS's for AVX2 in float32, and less.
BLOCKS, EDGE = (320, PAD), 8
# Memory that the tiles of all threads may take together.
HELD_BYTES = 2**29

T = TypeVar("T")


class Tiles(Protocol):
    """A matrix [rows, columns] that is computed a few rows at a time."""

    rows: int
    columns: int

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        """Rows `start` to `stop`, a fresh array that the caller may write into. `start` is a multiple of PAD."""
        ...  # pragma: no cover


class Products:
    """`left @ right.T` as Tiles, for sides that `padded` made of `rows` and `columns` features.

    Equal rows of `right` give equal columns; with `even` also in products with other right sides, in which they have
    other places.
    """

    def __init__(self, left: Array, rows: int, right: Array, columns: int, *, even: bool = False) -> None:
        self.rows, self.columns = rows, columns
        self._left, self._right = left, right
        self._copies, self._firsts = copies(right[:columns])
        self._block = None if not even or is_tensor(right) else _uneven(right.dtype.type)

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        left = self._left[start : start + whole(stop - start)]
        block = left @ self._right.T if self._block is None else _in_blocks(left, self._right, self._block)
        tile = to_numpy(block[: stop - start, : self.columns])
        tile[:, self._copies] = tile[:, self._firsts]
        return tile


@functools.cache
def _uneven(kind: type[np.floating]) -> int | None:
    """The columns of a block whose edges alone this BLAS computes otherwise; None where it computes all columns alike."""
    random = np.random.default_rng(0)
    left, row = (random.standard_normal((rows, 1024)).astype(kind) for rows in (PAD, 1))

    def alike(columns: int) -> NDArray[np.bool_]:
        found: NDArray[np.floating] = in_parallel(lambda first, last: left @ row.repeat(last, 0).T, [(0, columns)])[0]
        return (found == found[:, columns // 2, None]).all(0)

    if alike(6 * PAD).all():
        return None
    return next((columns for columns in BLOCKS if alike(columns)[EDGE:-EDGE].all()), None)


def _in_blocks(left: NDArray[np.floating], right: NDArray[np.floating], columns: int) -> NDArray[np.floating]:
    """`left @ right.T`, some columns at a time within a block, away from its edges."""
    made = np.empty((len(left), len(right)), left.dtype)
    room = np.zeros((columns, right.shape[1]), right.dtype)
    inner = columns - 2 * EDGE
    for start in range(0, len(right), inner):
        some = right[start : start + inner]
        room[EDGE : EDGE + len(some)] = some
        made[:, start : start + inner] = (left @ room.T)[:, EDGE : EDGE + len(some)]
    return made


def copies(features: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the rows that equal an earlier one, and of the first that each equals."""
    # Rows that differ from all others in their first numbers, as nearly all do, are not read further.
    alike = _repeated(_keys(features[:, :_FIRST]))
    keys = _keys(features[alike])
    order = np.argsort(keys, kind="stable")
    begins = np.diff(keys[order], prepend=keys[order[:1]] - 1) != 0
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    pairs = [
        (copy, first)
        for copy, first in zip(alike[order[~begins]].tolist(), alike[firsts[~begins]].tolist(), strict=True)
        if bool((features[copy] == features[first]).all())
    ]
    copies, originals = np.array(pairs, np.int64).reshape(-1, 2).T
    return copies, originals


def _keys(features: Array) -> NDArray[np.int64]:
    """A number for each row, [N]: equal rows have equal ones, and different rows hardly ever."""
    # Of two sums, so that different rows do not share both.
    weights: Array = np.random.default_rng(0).random((2, features.shape[1]), np.float32)
    if is_tensor(features):
        weights = features.new_tensor(weights)
    sums = np.empty((len(features), 2), np.float32)

    def fill(start: int, stop: int) -> None:
        sums[start:stop] = to_numpy((features[start:stop, None] * weights).sum(-1))

    over_tiles(fill, len(features), 2 * features.shape[1])
    # Adding zero makes -0.0 the 0.0 that it equals.
    return (sums + 0).view(np.int64).ravel()


def _repeated(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions, ascending, of the keys that occur more than once."""
    _, names, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[names] > 1)


def padded(
    features: Array, width: int, write: Callable[[Array, Array], None], kind: type[np.floating] = np.float32
) -> Array:
    """[N rounded up to PAD, width], filled by `write(some rows of features, the same rows of the result)`.

    Of NumPy type `kind`; a tensor stays one, of float32.
    """
    shape = (whole(len(features)), width)
    result = np.empty(shape, kind) if not is_tensor(features) else features.new_empty(shape).float()
    result[len(features) :] = 0
    over_tiles(lambda start, stop: write(features[start:stop], result[start:stop]), len(features), features.shape[1])
    return result


def whole(length: int) -> int:
    """The rows that so many features have when they are padded."""
    return -(-length // PAD) * PAD


def over_tiles(work: Callable[[int, int], T], rows: int, columns: int, threads: int | None = None) -> list[T]:
    """`work(start, stop)` for tiles that cover all rows, several at once; results in order.

    `threads` None takes every core that this process may use.
    """
    workers = workers_of(threads)
    held = HELD_BYTES // (4 * workers * max(1, columns))
    heights = _heights(-(-rows // PAD), workers, max(1, min(ROWS, held) // PAD))
    ends = np.cumsum(heights, dtype=np.int64) * PAD
    parts = [(stop - height * PAD, min(stop, rows)) for stop, height in zip(ends.tolist(), heights, strict=True)]
    return in_parallel(work, parts, threads)


def _heights(blocks: int, workers: int, tall: int) -> list[int]:
    """Blocks in each tile, so that all workers end at about the same time: as tall as may be, then lower ones."""
    rounds, rest = divmod(blocks, workers * tall)
    low = max(1, rest // workers)
    whole_ones, last = divmod(rest, low)
    return [tall] * (rounds * workers) + [low] * whole_ones + [last] * (last > 0)
