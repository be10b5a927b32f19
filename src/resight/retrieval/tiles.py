"""The matrix product behind every distance, computed in tiles whose values depend on the features alone.

A BLAS may round the same dot product differently in a call of another size, at another place in the matrix, or with
another number of threads. Therefore both sides are padded to whole blocks of its kernels, each tile is computed by one
thread while several tiles run at once, and the columns of equal features are copied. No score can then depend on tile
sizes or thread counts, and copies of an image have equal distances wherever they stand in the gallery.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from resight.errors import DataError
from resight.retrieval.arrays import Array, is_tensor, to_numpy

__all__ = ["Products", "Tiles", "copies", "in_parallel", "over_tiles", "padded", "whole"]

# The kernels in use take 4, 6, 8, 12, 16, 24, 32, 48 or 64 rows or columns at a time. All of them divide 192, so no
# product ends in a kernel for leftovers, which rounds differently (OpenBLAS for AVX2 takes 12 rows).
PAD = 192
# Fewer rows cost speed (the right side is packed anew for each tile), more cost memory: 384 reaches the speed of one
# large product.
ROWS = 384
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

    Equal rows of `right` give equal columns.
    """

    def __init__(self, left: Array, rows: int, right: Array, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self._left, self._right = left, right
        self._copies, self._firsts = copies(right[:columns])

    def __call__(self, start: int, stop: int) -> NDArray[np.floating]:
        block = self._left[start : start + whole(stop - start)] @ self._right.T
        tile = to_numpy(block[: stop - start, : self.columns])
        tile[:, self._copies] = tile[:, self._firsts]
        return tile


def copies(features: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the rows that equal an earlier one, and of the first that each equals."""
    # Equal rows have equal sums; two of them, so that different rows hardly ever share both.
    weights: Array = np.random.default_rng(0).random((2, features.shape[1]), np.float32)
    if is_tensor(features):
        weights = features.new_tensor(weights)
    sums = np.empty((len(features), 2), np.float32)

    def fill(start: int, stop: int) -> None:
        sums[start:stop] = to_numpy((features[start:stop, None] * weights).sum(-1))

    over_tiles(fill, len(features), 2 * features.shape[1])
    keys = sums.view(np.int64).ravel()
    order = np.argsort(keys, kind="stable")
    begins = np.diff(keys[order], prepend=keys[order[:1]] - 1) != 0
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    pairs = [
        (copy, first)
        for copy, first in zip(order[~begins].tolist(), firsts[~begins].tolist(), strict=True)
        if bool((features[copy] == features[first]).all())
    ]
    copies, originals = np.array(pairs, np.int64).reshape(-1, 2).T
    return copies, originals


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
    held = HELD_BYTES // (4 * _workers(threads) * max(1, columns))
    height = max(PAD, min(ROWS, held // PAD * PAD))
    return in_parallel(work, [(start, min(start + height, rows)) for start in range(0, rows, height)], threads)


def in_parallel(work: Callable[[int, int], T], parts: Sequence[tuple[int, int]], threads: int | None = None) -> list[T]:
    """`work(*part)` for each part, several at once with one BLAS thread each; results in order."""
    count = min(_workers(threads), len(parts))
    with _one_blas_thread():
        if count <= 1:
            return [work(*part) for part in parts]
        with ThreadPoolExecutor(count, thread_name_prefix="retrieval") as pool:
            return list(pool.map(lambda part: work(*part), parts))


def _workers(threads: int | None) -> int:
    """How many tiles are computed at once; raises DataError for less than one."""
    if threads is not None and threads < 1:
        raise DataError(f"threads = {threads}: it must be at least 1")
    return threads or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_blas_users = 0
_blas_lock = threading.Lock()
_blas_limit = None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One thread in each BLAS call while the block runs. The setting is the whole process's.

    Blocks that run at once are counted, so that the last one restores the setting that the first one found.
    """
    global _blas_users, _blas_limit
    with _blas_lock:
        if _blas_users == 0:
            _blas_limit = _blas().limit(limits=1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0 and _blas_limit is not None:
                _blas_limit.restore_original_limits()


@functools.cache
def _blas() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, so it is done once. NumPy's, which is called, is among them.
    return ThreadpoolController()
