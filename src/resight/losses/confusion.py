"""Confusion matrices counted during training, where the network runs and without waiting for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Confusion"]


class Confusion:
    """Numbers of images [attributes, true, predicted] that this process has seen since `clear`.

    >>> confusion = Confusion([2, 4])
    >>> confusion.add(guesses, targets)  # class numbers (batch, 2) twice; a target of -1 is unknown and not counted
    >>> confusion.counts.shape  # (2, 4, 4)

    `widths` are the numbers of classes. The counts are no buffer of a module: where processes train together, these are
    overwritten by the first process's before each step.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        width = max(widths)
        self.counts = torch.zeros(len(widths), width, width, dtype=torch.int64)

    def add(self, guesses: Tensor, targets: Tensor) -> None:
        self.counts = self.counts.to(targets.device)
        attributes, width, _ = self.counts.shape
        first = torch.arange(attributes, device=targets.device) * width**2
        cells = first + targets.clamp(min=0) * width + guesses
        self.counts.view(-1).scatter_add_(0, cells.flatten(), (targets >= 0).long().flatten())

    def clear(self) -> None:
        self.counts.zero_()
