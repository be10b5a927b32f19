"""Confidence by hand: the mean probability of what is named, and what of the known is right."""

from __future__ import annotations

import torch

from resight.tasks.attributes.confidence import confidence


def test_sure_right_and_known_by_hand() -> None:
    found = {
        "hat": torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3]]),
        "age": torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.0, 0.1, 0.9]]),
    }
    seen = confidence(found, torch.tensor([[0, 1], [0, -1], [-1, -1]]))
    torch.testing.assert_close(seen.sure, torch.tensor([0.65, 0.7, 0.8]))
    assert seen.right.tolist() == [2, 0, 0]
    assert seen.known.tolist() == [2, 1, 0]
