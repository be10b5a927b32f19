"""Several threads over the parts of one work, each with one BLAS thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from resight.errors import DataError
from resight.processors import cores

__all__ = ["in_parallel", "workers_of"]

T = TypeVar("T")


def in_parallel(work: Callable[[int, int], T], parts: Sequence[tuple[int, int]], threads: int | None = None) -> list[T]:
    """`work(*part)` for each part, several at once with one BLAS thread each; results in order."""
    count = min(workers_of(threads), len(parts))
    with _one_blas_thread():
        if count <= 1:
            return [work(*part) for part in parts]
        with ThreadPoolExecutor(count, thread_name_prefix="retrieval") as pool:
            return list(pool.map(lambda part: work(*part), parts))


def workers_of(threads: int | None) -> int:
    """How many tiles are computed at once; raises DataError for less than one."""
    if threads is not None and threads < 1:
        raise DataError(f"threads = {threads}: it must be at least 1")
    return threads or cores()


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
