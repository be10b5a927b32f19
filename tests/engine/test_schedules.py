"""Schedules against factors worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from resight.engine.schedules import SCHEDULES
from resight.errors import RecipeError
from resight.recipe import make

HALF = math.cos(math.pi / 4) / 2  # half a cosine's distance from its middle, a quarter of the way along

BY_HAND: list[tuple[dict, list[float]]] = [
    ({"name": "constant"}, [1, 1, 1]),
    ({"name": "multi-step", "milestones": [4, 2], "gamma": 0.5}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
    ({"name": "step", "every": 2, "gamma": 0.1}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
    ({"name": "exponential", "gamma": 0.5}, [1, 0.5, 0.25, 0.125]),
    ({"name": "cyclic", "period": 4, "lowest": 0.2}, [0.2, 0.6, 1, 0.6, 0.2, 0.6, 1]),
    ({"name": "cyclic", "period": 5, "lowest": 0}, [0, 0.4, 0.8, 0.8, 0.4, 0]),
    # of a run of 8 epochs
    ({"name": "linear"}, [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
    ({"name": "linear", "final_factor": 0.2}, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]),
    ({"name": "cosine"}, [1, (1 + math.cos(math.pi / 8)) / 2, 0.5 + HALF, (1 + math.cos(3 * math.pi / 8)) / 2, 0.5]),
    ({"name": "cosine", "final_factor": 0.5}, [1, 0.5 + (1 + math.cos(math.pi / 8)) / 4, 0.75 + HALF / 2]),
    # with a warm-up of 4 epochs from 0.2: 0.2, 0.4, 0.6, 0.8, then 1
    ({"name": "constant", "warmup_epochs": 4, "warmup_factor": 0.2}, [0.2, 0.4, 0.6, 0.8, 1, 1]),
    ({"name": "exponential", "gamma": 0.5, "warmup_epochs": 4, "warmup_factor": 0.2}, [0.2, 0.2, 0.15, 0.1, 0.0625]),
    (
        {"name": "linear", "warmup_epochs": 4, "warmup_factor": 0.2},
        [0.2, 0.4, 0.6, 0.8, 1, 3 / 4, 2 / 4, 1 / 4, 0],
    ),
    ({"name": "cosine", "warmup_epochs": 4, "warmup_factor": 0.2}, [0.2, 0.4, 0.6, 0.8, 1, 0.5 + HALF, 0.5]),
    (
        {"name": "multi-step", "milestones": [5], "warmup_epochs": 4, "warmup_factor": 0.2},
        [0.2, 0.4, 0.6, 0.8, 1, 0.1],
    ),
]


@pytest.mark.parametrize(("options", "factors"), BY_HAND, ids=[str(options) for options, _ in BY_HAND])
def test_factors_by_hand(options: dict, factors: list[float]) -> None:
    schedule = make(SCHEDULES, options, "schedule", epochs=8)
    assert [schedule(epoch) for epoch in range(len(factors))] == pytest.approx(factors)


def test_step_and_multi_step_agree_with_pytorch() -> None:
    for options, theirs in [
        ({"name": "step", "every": 3}, lambda o: torch.optim.lr_scheduler.StepLR(o, 3)),
        ({"name": "multi-step", "milestones": [2, 5]}, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5])),
        ({"name": "exponential", "gamma": 0.9}, lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
        ({"name": "cosine"}, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8)),
        ({"name": "linear"}, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 1e-12, 8)),
    ]:
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        peer, schedule, rates = theirs(optimiser), make(SCHEDULES, options, "schedule", epochs=8), []
        for _ in range(8):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            peer.step()
        assert [schedule(epoch) for epoch in range(8)] == pytest.approx(rates, abs=1e-9), options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "step", "every": 0}, "every = 0"),
        ({"name": "cyclic", "period": 1}, "period = 1"),
        ({"name": "exponential", "gamma": 0}, "gamma = 0"),
        ({"name": "linear", "final_factor": 2}, "final_factor = 2"),
        ({"name": "cosine", "warmup_epochs": -1}, "warmup_epochs = -1"),
        ({"name": "multi-step"}, "'milestones' is missing"),
    ],
)
def test_bad_values_are_named(options: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        make(SCHEDULES, options, "schedule", epochs=8)
