"""Counts of what was recognised as what, equal to a loop over the images."""

from __future__ import annotations

import torch

from resight.losses.confusion import Confusion


def test_batches_add_up_and_unknown_targets_do_not_count() -> None:
    torch.manual_seed(0)
    widths = [2, 4, 3]
    confusion, wanted = Confusion(widths), torch.zeros(3, 4, 4, dtype=torch.int64)
    for _ in range(2):
        guesses, targets = (torch.stack([torch.randint(width, (20,)) for width in widths], dim=1) for _ in range(2))
        targets[::3, 1] = -1
        confusion.add(guesses, targets)
        for guess, true in zip(guesses.tolist(), targets.tolist(), strict=True):
            for attribute in range(3):
                if true[attribute] >= 0:
                    wanted[attribute, true[attribute], guess[attribute]] += 1
    assert torch.equal(confusion.counts, wanted)
    confusion.clear()
    assert not confusion.counts.any()
