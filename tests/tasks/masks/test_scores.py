"""IoU and Dice: by hand, and against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from resight.errors import DataError
from resight.tasks.masks.scores import mask_scores


def test_by_hand() -> None:
    found = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
    true = np.array([[0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]], bool)
    scores = mask_scores(found, true)
    np.testing.assert_allclose(scores.iou, [2 / 4, 1, 0, 0])
    np.testing.assert_allclose(scores.dice, [4 / 6, 1, 0, 0])
    assert scores.mean_iou == pytest.approx(1.5 / 4)


def test_as_torchmetrics_has_it() -> None:
    random = np.random.default_rng(0)
    found, true = random.random((5, 6, 7)) > 0.4, random.random((5, 6, 7)) > 0.6
    scores = mask_scores(found, true)
    for row in range(5):
        pair = torch.from_numpy(found[row]).int(), torch.from_numpy(true[row]).int()
        assert scores.iou[row] == pytest.approx(float(binary_jaccard_index(*pair)))
        assert scores.dice[row] == pytest.approx(float(binary_f1_score(*pair)))


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        mask_scores(np.zeros((2, 3), bool), np.zeros((2, 4), bool))
