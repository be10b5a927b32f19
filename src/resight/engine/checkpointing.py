"""Gradient checkpointing: a network's blocks are computed again for their gradients instead of keeping their maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

__all__ = ["checkpoint_blocks"]


def checkpoint_blocks(network: nn.Module) -> int:
    """Checkpoint each block of a network (Chen et al. 2016), in place: the children of its outermost sequences.

    >>> checkpoint_blocks(Backbone("resnet50", pretrained=False))  # 16 blocks

    Returns their number. Outputs, gradients and BatchNorm's statistics stay the same: these do not count the second
    computation.
    """
    blocks = [block for sequence in _outermost(network) for block in sequence if _learns_maps(block)]
    for block in blocks:
        block.forward = MethodType(_checkpointed, block)  # type: ignore[method-assign]  # of this instance: a copy has its own
    return len(blocks)


def _outermost(module: nn.Module) -> Iterator[nn.Sequential]:
    for child in module.children():
        if isinstance(child, nn.Sequential) and len(child) > 1:
            yield child
        else:
            yield from _outermost(child)


def _learns_maps(block: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d | nn.MultiheadAttention | nn.Linear) for part in block.modules())


def _checkpointed(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    forward = MethodType(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs, **named)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_statistics(block)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _without_statistics(block: nn.Module) -> Iterator[None]:
    """Meanwhile BatchNorm normalises by its batch and leaves its running statistics."""
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum, norm.num_batches_tracked = momentum, count
