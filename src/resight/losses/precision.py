"""Losses are computed in float32 however the network runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["full", "in_full_precision"]


def full(values: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; float32 and float64 as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def in_full_precision(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Decorate a loss's `forward`: its first argument is float32 at least, and autocast is off.

    Under autocast a matrix product is computed in bfloat16 whatever its inputs, and |a|² + |b|² - 2ab is then mostly
    rounding error.
    """

    @functools.wraps(forward)
    def wrapped(self: nn.Module, values: Tensor, *rest: Any, **named: Any) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return forward(self, full(values), *rest, **named)

    return wrapped
