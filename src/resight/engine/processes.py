"""What the processes of one training tell each other. A process that trains alone is told its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

__all__ = [
    "connected",
    "mean_of_all",
    "part",
    "process_rank",
    "rows_of_all",
    "those_of_the_first",
    "together",
    "told_by_all",
]

Told = TypeVar("Told")
_LETTING_GO = 0.2
"""Seconds for gloo's threads to let go of the last tensors, a matter of microseconds. They need Python's lock for it, with
which PyTorch (of 2.11; 2.14 does not) holds on until they have ended: for ever."""


def process_rank() -> int:
    """Number of this process among those that train together, from 0; known before they are connected."""
    return int(getattr(rank_zero_only, "rank", 0))


def connected() -> bool:
    """Whether this process is connected with others."""
    return dist.is_available() and dist.is_initialized()


def part() -> None:
    """End the connection, while Python still runs. No exchange may be under way.

    A thread of gloo's that lets go of its last tensor when Python has begun to end aborts the process, and the training
    that went well ends with an error.
    """
    if connected():
        time.sleep(_LETTING_GO)
        dist.destroy_process_group()


def together() -> int:
    """How many processes train together, and are connected."""
    return dist.get_world_size() if connected() else 1


def told_by_all(own: Told) -> list[Told]:
    """What each process tells, in the order of their numbers. All of them must ask; tensors must be on the CPU."""
    if together() == 1:
        return [own]
    found: list[Told] = [own] * together()
    dist.all_gather_object(found, own)
    return found


def rows_of_all(values: Tensor, counts: Sequence[int]) -> Tensor:
    """The rows of all processes, one process after another: (rows, …) -> (sum of `counts`, …).

    `counts` are the rows of each, as `told_by_all` knows them: a GPU is not waited for. The gradient comes back: each process
    receives the sum of what all of them computed for its rows. Where all compute the same loss, DDP's mean over the
    processes is then the gradient of that loss.
    """
    if together() == 1:
        return values
    missing = max(counts) - len(values)
    padded = F.pad(values, [0, 0] * (values.dim() - 1) + [0, missing]) if missing else values
    return torch.cat([part[:count] for part, count in zip(_OfAll.apply(padded), counts, strict=True)])


class _OfAll(torch.autograd.Function):
    """(rows, …) -> (processes, rows, …), in every process alike."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(together())]
        dist.all_gather(parts, values.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[dist.get_rank()]


def mean_of_all(tensors: Sequence[Tensor]) -> None:
    """Make tensors, in place, the mean over all processes."""
    if together() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor /= together()


def those_of_the_first(tensors: Sequence[Tensor]) -> None:
    """Make tensors, in place, those of the first process."""
    if together() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)
