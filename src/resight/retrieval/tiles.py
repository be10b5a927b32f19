"""The matrix product behind every distance, computed in tiles that depend on nothing but the shape of the problem.

A BLAS may round one and the same dot product differently in a call of another size, or with another number of
threads. So the tiles are always the same ones, padded to whole vectors, and each is computed by one thread while
several tiles run side by side: no figure can depend on chunk sizes or thread counts, and equal features get equal
distances wherever they stand.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from resight.errors import DataError
from resight.retrieval.arrays import Array, is_tensor, zeros

__all__ = ["blocks", "over", "padded", "product", "tile_rows"]

# Every SIMD width in use divides 64, so no product ends in a kernel for leftovers, which rounds differently.
PAD = 64
# Fewer rows cost speed (the right side is packed anew for each tile), more cost memory.
ROWS = 256
TILE_BYTES = 2**28
# What the tiles of all threads together may take.
HELD_BYTES = 2**30

T = TypeVar("T")


def padded(length: int) -> int:
    """`length` rounded up to whole vectors."""
    return -(-length // PAD) * PAD


def tile_rows(columns: int) -> int:
    """Rows of a tile over `columns` gallery images: 256, fewer where 256 rows would take over 256 MiB."""
    rows = ROWS
    while rows > PAD and rows * columns * 4 > TILE_BYTES:
        rows //= 2
    return rows


def product(left: Array, right: Array, start: int, stop: int) -> Array:
    """`left[start:stop] @ right.T`, float32 [stop - start, len(right)], a fresh array.

    `start` is a multiple of `tile_rows(len(right))` and `right` is padded (see `padded`) with rows of zeros.
    """
    height = tile_rows(len(right))
    parts = [_tile(left, right, row, min(row + height, stop)) for row in range(start, stop, height)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if not is_tensor(left) else parts[0].new_empty(0).cat(parts)  # pragma: no cover


def _tile(left: Array, right: Array, start: int, stop: int) -> Array:
    rows = left[start:stop]
    if len(rows) % PAD == 0:
        return rows @ right.T
    whole = zeros((padded(len(rows)), left.shape[1]), left)
    whole[: len(rows)] = rows
    return (whole @ right.T)[: len(rows)]


def blocks(rows: int, columns: int, chunk_size: int | None) -> list[tuple[int, int]]:
    """Cut `rows` into (start, stop) of `chunk_size` rows, rounded up to whole tiles."""
    if chunk_size is not None and chunk_size < 1:
        raise DataError(f"chunk_size = {chunk_size}: it must be at least 1")
    tile = tile_rows(padded(columns))
    step = tile * max(1, -(-(chunk_size or 1) // tile))
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def over(work: Callable[[int, int], T], parts: list[tuple[int, int]], columns: int, threads: int | None) -> list[T]:
    """`work(start, stop)` for every part, several at once, results in order.

    `threads` None takes every core this process may use, or fewer where their tiles would take over 1 GiB.
    """
    if threads is not None and threads < 1:
        raise DataError(f"threads = {threads}: it must be at least 1")
    held = max((stop - start) * columns * 4 for start, stop in parts)
    most = threads or min(_cores(), max(1, HELD_BYTES // held))
    with _one_blas_thread():
        if min(most, len(parts)) == 1:
            return [work(*part) for part in parts]
        with ThreadPoolExecutor(min(most, len(parts)), thread_name_prefix="retrieval") as pool:
            return list(pool.map(lambda part: work(*part), parts))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_blas_users = 0
_blas_lock = threading.Lock()
_blas_limit = None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One thread inside each BLAS call while anybody is in the block; the setting belongs to the whole process.

    Users are counted so that two evaluations at once leave the setting as the first one found it.
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
    # Looking for the libraries takes milliseconds; NumPy's is loaded by now, and it is the one we call.
    return ThreadpoolController()
