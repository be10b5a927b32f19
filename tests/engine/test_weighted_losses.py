"""A recipe's losses: which there are, what each weighs, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses import LOSSES, MASK_LOSSES
from resight.losses.identity import IdentityLoss
from resight.losses.triplet import TripletLoss


def test_a_label_names_the_loss_where_its_section_does_not() -> None:
    sections = {"triplet": {"margin": 0.5}, "hard": {"name": "triplet", "weight": 2}, "identity": {"weight": 5e-4}}
    losses = WeightedLosses(sections, LOSSES, num_classes=3, dim=2)
    assert {label: type(loss) for label, loss in losses.items()} == {
        "triplet": TripletLoss,
        "hard": TripletLoss,
        "identity": IdentityLoss,
    }
    assert losses.weights == {"triplet": 1.0, "hard": 2.0, "identity": 0.0005}
    assert losses["triplet"].margin == 0.5


def test_what_a_loss_asks_of_the_program_it_is_given() -> None:
    losses = WeightedLosses({"centre": {}}, LOSSES, num_classes=3, dim=2)
    assert losses["centre"].centres.shape == (3, 2)


def test_values_are_multiplied_by_the_weights_of_their_labels() -> None:
    losses = WeightedLosses({"dice": {"weight": 3}, "cross-entropy": {"weight": 0.5}}, MASK_LOSSES)
    weighed = losses.weighed({"cross-entropy": torch.tensor(4.0), "dice": torch.tensor(2.0)})
    assert {label: value.item() for label, value in weighed.items()} == {"cross-entropy": 2.0, "dice": 6.0}


def test_a_weight_of_0_switches_a_loss_off_but_not_all_of_them() -> None:
    losses = WeightedLosses({"dice": {"weight": 0}, "cross-entropy": {}}, MASK_LOSSES)
    assert list(losses.keys()) == ["cross-entropy"]
    with pytest.raises(RecipeError, match="losses: every weight is 0; give one loss a weight"):
        WeightedLosses({"dice": {"weight": 0}}, MASK_LOSSES)


@pytest.mark.parametrize("weight", [-1, "much", None, float("nan")])
def test_a_weight_is_a_number_of_at_least_0(weight: object) -> None:
    with pytest.raises(RecipeError, match=r"losses\.dice\.weight = .*: a number of at least 0"):
        WeightedLosses({"dice": {"weight": weight}}, MASK_LOSSES)


def test_what_is_no_loss_is_named() -> None:
    with pytest.raises(RecipeError, match=r"losses\.dise: no 'dise' \(did you mean 'dice'\?\); there is: "):
        WeightedLosses({"dise": {}}, MASK_LOSSES)
    with pytest.raises(
        RecipeError, match=r"losses\.a: Identity is no loss; derive it from resight\.losses\.base\.Loss"
    ):
        WeightedLosses({"a": {}}, {"a": nn.Identity})  # type: ignore[dict-item]
