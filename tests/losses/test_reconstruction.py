"""Reconstruction losses against values worked out by hand and by PyTorch's own distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from resight.losses.reconstruction import BinaryCrossEntropy, KLDivergence, MaximumMeanDiscrepancy, SquaredError


def test_squared_error_is_summed_over_an_image_or_averaged() -> None:
    given = torch.zeros(2, 1, 2, 2)
    made = torch.tensor([[1.0, 0, 0, 0], [2.0, 2, 0, 1]]).view(2, 1, 2, 2)
    assert SquaredError("sum")(made, given) == pytest.approx((1 + 9) / 2)
    assert SquaredError("mean")(made, given) == pytest.approx(10 / 8)


def test_the_divergence_is_that_of_two_gaussians() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(6, 4), torch.randn(6, 4)
    theirs = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert KLDivergence()(mean, log_variance) == pytest.approx(float(theirs), rel=1e-5)
    assert KLDivergence()(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_the_divergence_grows_to_its_weight() -> None:
    loss = KLDivergence(warmup_epochs=4)
    mean, log_variance = torch.ones(1, 2), torch.zeros(1, 2)
    values = []
    for epoch in (0, 1, 4, 9):
        loss.begin_epoch(epoch)
        values.append(float(loss(mean, log_variance)))
    assert values == pytest.approx([0.0, 0.25, 1.0, 1.0])


def test_the_discrepancy_is_small_for_the_prior_and_large_elsewhere() -> None:
    torch.manual_seed(0)
    loss = MaximumMeanDiscrepancy()
    near = float(loss(torch.randn(256, 8)))
    assert 0 < near < 0.02
    assert loss(3 + torch.randn(256, 8)) > 10 * near
    assert loss(torch.zeros(256, 8)) > 10 * near, "all in one point is not the prior either"


def test_the_discrepancy_equals_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    ours, prior = torch.randn(5, 3), torch.randn(5, 3)
    monkeypatch.setattr(torch, "randn_like", lambda tensor: prior)
    kernel = lambda a, b: sum(float(torch.exp(-(x - y).square().sum() / (2 * 3))) for x in a for y in b) / 25  # noqa: E731
    expected = kernel(ours, ours) + kernel(prior, prior) - 2 * kernel(ours, prior)
    assert float(MaximumMeanDiscrepancy()(ours)) == pytest.approx(expected, abs=1e-5)


def test_cross_entropy_of_pixels_by_hand() -> None:
    given = torch.tensor([[0.0, 1], [0.5, 0.25]]).view(2, 1, 1, 2)
    made = torch.tensor([[0.5, 0.25], [0.5, 1]]).view(2, 1, 1, 2)
    # -ln(1 - 0.5), -ln(0.25); then -ln(0.5), and -0.25·ln(1) - 0.75·ln(0), where ln(0) is -100.
    first, second = [math.log(2), math.log(4)], [math.log(2), 75.0]
    assert BinaryCrossEntropy("sum")(made, given) == pytest.approx((sum(first) + sum(second)) / 2, rel=1e-6)
    assert BinaryCrossEntropy("mean")(made, given) == pytest.approx((sum(first) + sum(second)) / 4, rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert BinaryCrossEntropy()(made.bfloat16(), given).dtype == torch.float32


def test_cross_entropy_has_a_right_gradient() -> None:
    torch.manual_seed(0)
    made = torch.rand(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    given = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(BinaryCrossEntropy(), (made, given))
