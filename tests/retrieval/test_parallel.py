"""Threads side by side: all parts are worked on, errors arrive, and BLAS is afterwards as it was."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info

from resight.errors import DataError
from resight.retrieval.parallel import in_parallel


def test_several_parts_are_worked_on_side_by_side_and_results_are_in_order() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def meet(start: int, stop: int) -> int:
        meeting.wait()
        return stop

    assert in_parallel(meet, [(0, 1), (1, 2)], threads=2) == [1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_part_reaches_the_caller_and_blas_is_as_before(threads: int) -> None:
    def fail(start: int, stop: int) -> None:
        assert all(pool["num_threads"] == 1 for pool in threadpool_info() if pool["user_api"] == "blas")
        raise KeyError(start)

    before = [pool["num_threads"] for pool in threadpool_info()]
    with pytest.raises(KeyError):
        in_parallel(fail, [(0, 1), (1, 2), (2, 3)], threads)
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_no_thread_is_refused() -> None:
    with pytest.raises(DataError, match="threads = 0: it must be at least 1"):
        in_parallel(lambda start, stop: None, [(0, 1)], 0)
