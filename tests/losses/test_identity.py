"""Identity and verification loss against hand-worked values."""

from __future__ import annotations

import math

import pytest
import torch

from resight.losses.identity import IdentityLoss, VerificationLoss


def test_label_smoothing_is_the_strong_baselines() -> None:
    logits, eps = torch.tensor([[2.0, 0.0, 0.0]]), 0.1
    log_p = torch.log_softmax(logits, 1)[0]
    target = [1 - eps + eps / 3, eps / 3, eps / 3]
    by_hand = -sum(t * float(p) for t, p in zip(target, log_p, strict=True))
    assert IdentityLoss(label_smoothing=eps)(logits, torch.tensor([0])).item() == pytest.approx(by_hand)
    plain = math.log(math.exp(2) + 2) - 2
    assert IdentityLoss(label_smoothing=0)(logits, torch.tensor([0])).item() == pytest.approx(plain)


def test_verification_loss_by_hand() -> None:
    loss = VerificationLoss(scale=2.0, offset=0.0)
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    # same pair: cosine 1 -> log(1 + e^-2); different pairs: cosine 0 -> log 2
    by_hand = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert loss(embeddings, torch.tensor([0, 0, 1])).item() == pytest.approx(by_hand)


def test_verification_learns_its_scale_and_offset() -> None:
    loss = VerificationLoss()
    loss(torch.tensor([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]), torch.tensor([0, 0, 1])).backward()
    assert loss.scale.grad.item() != 0
    assert loss.offset.grad.item() != 0
