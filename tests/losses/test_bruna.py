"""Bruna's distances and losses: by hand, and against the report's words as a loop."""

from __future__ import annotations

import pytest
import torch

from resight.losses.bruna import CentroidHinge, SelectorLoss, other_distances, same_distances


def test_distances_are_what_the_report_says() -> None:
    random = torch.Generator().manual_seed(0)
    same, others = torch.randn(3, 4, 5, generator=random), torch.randn(3, 2, 5, generator=random)
    for item in range(3):
        for image in range(4):
            three = [same[item, other] for other in range(4) if other != image]
            expected = torch.dist(same[item, image], torch.stack(three).mean(0))
            assert float(same_distances(same)[item, image]) == pytest.approx(float(expected), rel=1e-5)
        for stranger in range(2):
            each = [torch.dist(same[item, image], others[item, stranger]) for image in range(4)]
            assert float(other_distances(same, others)[item, stranger]) == pytest.approx(float(sum(each) / 4), rel=1e-5)


def test_by_hand() -> None:
    # four on a line at 0, 0, 0, 4: the last is 4 from the others' mean, each of these 4/3 from (0 + 0 + 4) / 3
    same = torch.tensor([0.0, 0.0, 0.0, 4.0]).view(1, 4, 1)
    assert same_distances(same)[0].tolist() == pytest.approx([4 / 3, 4 / 3, 4 / 3, 4])
    assert other_distances(same, torch.tensor([1.0, -1.0]).view(1, 2, 1))[0].tolist() == pytest.approx([1.5, 2])
    hinge = CentroidHinge(margin=1.0)
    assert float(hinge(torch.tensor([2.0, 2.0]), torch.tensor([0.25, 3.0]))) == pytest.approx((2 + 0.75 + 2 + 0) / 2)


def test_the_pull_does_not_stop_where_the_margin_is_kept() -> None:
    same = torch.randn(1, 4, 3, requires_grad=True)
    far = torch.full((1, 2, 3), 100.0)
    CentroidHinge()(same_distances(same).mean(1), other_distances(same, far).mean(1)).backward()
    assert same.grad.abs().sum() > 0


def test_equal_images_keep_a_finite_gradient() -> None:
    same = torch.zeros(1, 4, 3, requires_grad=True)
    same_distances(same).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_the_reports_selector_loss_falls_without_end_and_ours_does_not() -> None:
    correct = torch.tensor([[1.0, 0.0]])
    paper, bounded = SelectorLoss("paper"), SelectorLoss("bounded")
    assert float(paper(torch.tensor([[3.0, 2.0]]), correct)) == pytest.approx((-3 + 2) / 2)
    assert float(paper(torch.tensor([[1000.0, 0.0]]), correct)) == pytest.approx(-500)
    assert float(bounded(torch.tensor([[1000.0, 0.0]]), correct)) >= 0
    for loss in (paper, bounded):
        predicted = torch.tensor([[1.5, 1.5]], requires_grad=True)
        loss(predicted, correct).backward()
        right, wrong = predicted.grad[0].tolist()
        assert right < 0 < wrong, "Bruna right: predict farther; Bruna fooled: predict nearer"
