"""What triplet losses tell of themselves, worked out by hand, and when they say that they tell nothing apart."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from resight.losses.centroid_triplet import CentroidTripletLoss
from resight.losses.hinge import HingeLoss, hinge
from resight.losses.triplet import TripletLoss
from resight.records import ReidDataset
from resight.training import train
from tests.support.runs import metrics

# On a line: identity 1 at 0 and 3, identity 2 at 4 and 5. Batch hard: positives 3, 3, 1, 1, negatives 4, 1, 1, 2.
LINE, IDS = torch.tensor([[0.0], [3.0], [4.0], [5.0]]), torch.tensor([1, 1, 2, 2])


def told(loss: HingeLoss) -> dict[str, float]:
    return {name: value.item() for name, value in loss.figures().items()}


def test_a_soft_hinge_is_open_everywhere() -> None:
    differences = torch.tensor([-2.0, 0.0, 1.0])
    assert hinge(differences, 1.0).tolist() == [0, 1, 2]
    assert hinge(differences, "soft").tolist() == pytest.approx([math.log1p(math.exp(x)) for x in (-2, 0, 1)])


def test_figures_by_hand() -> None:
    loss = TripletLoss(margin=0.5)
    loss(LINE, IDS)
    found = told(loss)
    assert found == pytest.approx(
        {
            "active": 2 / 4,  # differences -1, 2, 0, -1
            "positive": 2,
            "negative": 2,
            "spread": math.sqrt((9 + 16 + 25 + 1 + 4 + 1) / 6 / ((9 + 16 + 25) / 4)),
            "norm": 3,
        }
    )
    assert told(loss) == {}, "they begin anew"


def test_directions_spread_evenly_have_a_spread_of_root_two_and_equal_ones_none() -> None:
    loss = TripletLoss()
    loss(torch.eye(32) - 1 / 32, torch.arange(32) // 4)
    assert told(loss)["spread"] == pytest.approx(math.sqrt(2 * 32 / 31), rel=1e-4)
    loss(torch.ones(4, 8), IDS)
    assert told(loss)["spread"] == 0


def test_branches_have_the_same_weight_and_validation_none() -> None:
    loss = CentroidTripletLoss(margin=0.5)
    loss(LINE, IDS)
    loss(3 * LINE, IDS)
    loss.eval()
    loss(100 * LINE, IDS)
    assert told(loss)["norm"] == pytest.approx((3 + 9) / 2)


def test_a_batch_without_triplets_has_no_distances() -> None:
    for loss in (TripletLoss(), CentroidTripletLoss()):
        loss(LINE, torch.tensor([1, 2, 3, 4]))
        found = told(loss)
        assert (found["active"], found["positive"], found["negative"]) == (0, 0, 0)
        assert found["norm"] == 3


def test_figures_take_no_part_in_the_gradient() -> None:
    loss, embeddings = TripletLoss(), LINE.clone().requires_grad_()
    loss(embeddings, IDS).backward()
    assert not any(value.requires_grad for value in loss.figures().values())


@pytest.mark.parametrize(
    ("margin", "active", "positive", "negative", "collapsed"),
    [
        (0.3, 1.0, 0.02, 0.02, True),
        (0.3, 0.97, 0.60, 0.62, True),  # the loss is 0.28
        (0.3, 0.97, 0.60, 0.70, False),
        (0.3, 0.80, 5.00, 5.00, False),  # distances far above the margin: hard, not collapsed
        ("soft", 1.0, 0.4, 0.45, True),
        ("soft", 1.0, 0.4, 0.60, False),
    ],
)
def test_a_loss_at_its_margin_complains(margin, active, positive, negative, collapsed) -> None:  # type: ignore[no-untyped-def]
    figures = {"active": active, "positive": positive, "negative": negative, "spread": 0.3, "norm": 0.5}
    complaint = TripletLoss(margin=margin).complaint(figures)
    assert (complaint is not None) == collapsed
    if complaint:
        assert "\n" not in complaint
        assert "optimiser.lr" in complaint
        assert ("margin=soft" in complaint) == (margin != "soft")


def told_by(overrides: list[str], crowd: ReidDataset, tiny, folder: Path) -> list[str]:  # type: ignore[no-untyped-def]
    lines: list[str] = []
    recipe = tiny("losses={triplet: {}, identity: {}}", "schedule=constant", "loggers=[]", *overrides)
    train(recipe, crowd, folder, quiet=True, tell=lines.append)
    return [line for line in lines if "losses.triplet" in line]


@pytest.mark.slow
def test_a_training_that_collapses_is_told_so_once(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    # Half of each weight goes at each step, and so does every feature.
    (line,) = told_by(
        ["epochs=5", "optimiser={name: adamw, lr: 0.001, weight_decay: 500}"], crowd, tiny, tmp_path / "run"
    )
    assert line.startswith("epoch ")
    assert "losses.triplet: stays at its margin: 100% of its triplets are active" in line
    rows = metrics(tmp_path / "run")
    assert float(rows[-1]["train/triplet/norm"]) < 0.1 * float(rows[0]["train/triplet/norm"])
    assert float(rows[-1]["train/triplet"]) == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
def test_a_healthy_training_is_told_nothing(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    assert told_by([], crowd, tiny, tmp_path / "run") == []
    assert 0 < float(metrics(tmp_path / "run")[-1]["train/triplet/spread"]) < 1.5
