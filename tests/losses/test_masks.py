"""Losses on masks, by hand."""

from __future__ import annotations

import pytest
import torch

from resight.losses import MASK_LOSSES

MASKS = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]).view(2, 1, 2, 2)


def test_dice_by_hand() -> None:
    # probabilities 1, 0.5, 0.5, 0 against 1, 1, 0, 0: overlap 1.5, sums 2 and 2; nothing against nothing
    logits = torch.tensor([[100.0, 0.0, 0.0, -100.0], [-100.0] * 4]).view(2, 1, 2, 2)
    expected = ((1 - (2 * 1.5 + 1) / (2 + 2 + 1)) + 0) / 2
    assert float(MASK_LOSSES["dice"]()(logits, MASKS.to(torch.uint8))) == pytest.approx(expected)


def test_pixels_by_hand() -> None:
    logits = torch.zeros(2, 1, 2, 2)
    assert float(MASK_LOSSES["cross-entropy"]()(logits, MASKS.to(torch.uint8))) == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_the_right_mask_costs_nothing_and_a_wrong_one_much(name: str) -> None:
    loss, sure = MASK_LOSSES[name](), (MASKS * 2 - 1) * 50
    assert float(loss(sure, MASKS)) == pytest.approx(0, abs=1e-6)
    assert float(loss(-sure, MASKS)) > 0.5
