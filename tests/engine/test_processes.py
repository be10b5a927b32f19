"""What processes that train together tell each other: two of them, and one alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing

from resight.engine.processes import (
    mean_of_all,
    part,
    process_rank,
    rows_of_all,
    those_of_the_first,
    together,
    told_by_all,
)

COUNTS = [3, 1]
ROWS = torch.arange(8.0).view(4, 2) / 7


def loss(rows: torch.Tensor) -> torch.Tensor:
    """Every row with every other, so that no part of it is of one process."""
    return (torch.cdist(rows, rows) ** 2 * torch.arange(16.0).view(4, 4)).sum()


def test_one_process_alone_is_told_its_own() -> None:
    assert (process_rank(), together(), told_by_all("own")) == (0, 1, ["own"])
    assert rows_of_all(ROWS, [4]) is ROWS
    values = [torch.ones(2)]
    mean_of_all(values)
    those_of_the_first(values)
    assert values[0].tolist() == [1, 1]


def threads() -> int:
    """How many threads this process has, of C++ and Python."""
    return len(os.listdir("/proc/self/task"))


def comes_to_be(true: Callable[[], bool]) -> bool:
    """Whether something comes true within a while: the system counts a thread a moment longer than one waits for it."""
    until = time.monotonic() + 20
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def one_of_two(rank: int, meeting: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    own = ROWS.split(COUNTS)[rank].clone().requires_grad_()
    counts = told_by_all(len(own))
    whole = rows_of_all(own, counts)
    loss(whole).backward()
    numbers = rows_of_all(torch.full((len(own),), rank), counts)
    means, firsts = torch.tensor([rank, 3.0]), torch.tensor([rank, 5])
    mean_of_all([means])
    those_of_the_first([firsts])
    found = (together(), counts, told_by_all({"rank": rank}), whole.detach(), own.grad, numbers, means, firsts)
    torch.save(found, f"{out}/{rank}")
    # As Lightning does: wrapped, and unwrapped at the end of a training.
    wrapped = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    wrapped(whole.detach()).sum().backward()
    del wrapped
    before = threads()
    part()
    assert comes_to_be(lambda: threads() <= before - 2), (
        "gloo's; one that is left may abort the process when Python ends"
    )
    part()


@pytest.mark.slow
def test_two_processes_have_the_rows_of_both_and_share_the_gradient(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(one_of_two, (os.fspath(tmp_path / "meeting"), os.fspath(tmp_path)), nprocs=2)
    alone = ROWS.clone().requires_grad_()
    loss(alone).backward()
    for rank in range(2):
        number, counts, told, whole, gradient, numbers, means, firsts = torch.load(tmp_path / str(rank))
        assert (number, counts, told) == (2, COUNTS, [{"rank": 0}, {"rank": 1}])
        assert torch.equal(whole, ROWS)
        # Each of the two computes the whole loss: the mean of two such gradients is that of one process.
        torch.testing.assert_close(gradient / 2, alone.grad.split(COUNTS)[rank])  # type: ignore[union-attr]
        assert numbers.tolist() == [0, 0, 0, 1]
        assert (means.tolist(), firsts.tolist()) == ([0.5, 3.0], [0, 5])
