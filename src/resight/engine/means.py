"""Means of an epoch's figures: summed up where they are computed, by few operations a batch however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

__all__ = ["Means"]


class Means:
    """Means of scalars by name over the batches that had them, each weighted by its images; a share by what is known.

    >>> means.add({"train/loss": loss}, images=64)
    >>> means.count("train/accuracy", right, known, images=64)
    >>> means.taken()  # {"train/loss": (mean, images), "train/accuracy": (share, images)}, and nothing is left
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], tuple[Tensor, int]] = {}
        self._counts: dict[str, tuple[Tensor, int]] = {}

    def add(self, figures: Mapping[str, Tensor], images: int) -> None:
        """Count a batch's scalars, all on one device."""
        names = tuple(figures)
        if not names:
            return
        row = _row(figures.values())
        before = self._sums.get(names)
        if before is None:
            self._sums[names] = row * images, images
        else:
            self._sums[names] = before[0].add_(row, alpha=images), before[1] + images

    def count(self, name: str, right: Tensor, known: Tensor, images: int) -> None:
        """Count a batch's share: scalars on one device, how many are right of those that are known, perhaps none."""
        row = _row([right, known])
        before = self._counts.get(name)
        self._counts[name] = (row, images) if before is None else (before[0].add_(row), before[1] + images)

    def taken(self) -> dict[str, tuple[Tensor, int]]:
        """Name -> its mean, and the images that it is of. What comes next is of another epoch.

        A share of nothing is 0: processes that train together all have the same names.
        """
        sums: dict[str, list[tuple[Tensor, int]]] = defaultdict(list)
        for names, (row, count) in self._sums.items():
            for name, value in zip(names, row, strict=True):
                sums[name].append((value, count))
        shares = {name: (row[0] / row[1].clamp(min=1), images) for name, (row, images) in self._counts.items()}
        self._sums, self._counts = {}, {}
        whole = {name: sum(count for _, count in parts) for name, parts in sums.items()}
        means = {
            name: (torch.stack([value for value, _ in parts]).sum() / whole[name], whole[name])
            for name, parts in sums.items()
        }
        return means | shares


def _row(values: Iterable[Tensor]) -> Tensor:
    """Scalars as one, in float64 where that is, so that a long epoch's sums stay exact."""
    row = torch.stack([value.detach().reshape(()) for value in values])
    return row.to(torch.float32 if row.device.type == "mps" else torch.float64)
