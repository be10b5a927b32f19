"""Identity, verification and centre loss against hand-worked values."""

from __future__ import annotations

import math

import pytest
import torch

from resight.losses.centre import CentreLoss
from resight.losses.identity import IdentityLoss, VerificationLoss


def test_label_smoothing_is_the_strong_baselines() -> None:
    logits, eps = torch.tensor([[2.0, 0.0, 0.0]]), 0.1
    log_p = torch.log_softmax(logits, 1)[0]
    target = [1 - eps + eps / 3, eps / 3, eps / 3]
    by_hand = -sum(t * float(p) for t, p in zip(target, log_p, strict=True))
    assert IdentityLoss(label_smoothing=eps)(logits, torch.tensor([0])).item() == pytest.approx(by_hand)
    plain = math.log(math.exp(2) + 2) - 2
    assert IdentityLoss(label_smoothing=0)(logits, torch.tensor([0])).item() == pytest.approx(plain)


def test_centre_loss_is_the_mean_squared_distance_to_the_own_centre() -> None:
    loss = CentreLoss(num_classes=2, dim=2)
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    embeddings = torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    assert loss(embeddings, torch.tensor([0, 1])).item() == pytest.approx((25 + 1) / 2)


def test_verification_loss_by_hand() -> None:
    loss = VerificationLoss(scale=2.0, offset=0.0)
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # same pair: cosine 1 -> log(1 + e^-2); different pairs: cosine 0 -> log 2
    by_hand = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert loss(embeddings, torch.tensor([0, 0, 1])).item() == pytest.approx(by_hand)
