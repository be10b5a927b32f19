"""Centre loss against a hand-worked value, and its optimiser's rate beside its weight."""

from __future__ import annotations

import pytest
import torch
from torch import optim

from resight.losses.centre import CentreLoss


def test_it_is_the_mean_squared_distance_to_the_own_centre() -> None:
    loss = CentreLoss(num_classes=2, dim=2)
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    embeddings = torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    assert loss(embeddings, torch.tensor([0, 1])).item() == pytest.approx((25 + 1) / 2)


def test_a_step_of_its_optimiser_moves_a_centre_towards_its_features_alone() -> None:
    loss = CentreLoss(num_classes=2, dim=1)
    assert loss.own_optimiser is optim.SGD
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[0.0], [7.0]]))
    optimiser = loss.own_optimiser(loss.parameters(), lr=loss.learning_rate)
    loss(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])).backward()
    optimiser.step()
    # The gradient of ((1 - c)² + (3 - c)²) / 2 at 0 is -4; at the default rate of 0.5 the centre lands on the mean.
    assert loss.centres.flatten().tolist() == [2.0, 7.0]
