"""Optimisers against PyTorch's own, and bad values named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from resight.engine.optimisers import OPTIMISERS
from resight.errors import RecipeError
from resight.recipe import make

THEIRS: list[tuple[dict, Callable[..., Optimizer]]] = [
    ({"name": "adam"}, lambda p: torch.optim.Adam(p, lr=3.5e-4, weight_decay=5e-4)),
    ({"name": "amsgrad", "lr": 0.1}, lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=5e-4, amsgrad=True)),
    ({"name": "adamw", "lr": 0.1}, lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=1e-2)),
    ({"name": "adamw", "lr": 0.1, "amsgrad": True}, lambda p: torch.optim.AdamW(p, lr=0.1, amsgrad=True)),
    ({"name": "rmsprop"}, lambda p: torch.optim.RMSprop(p, lr=1e-4, momentum=0.9, weight_decay=5e-4)),
    ({"name": "rmsprop", "momentum": 0, "lr": 0.1}, lambda p: torch.optim.RMSprop(p, lr=0.1, weight_decay=5e-4)),
    ({"name": "sgd"}, lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=5e-4)),
]


def stepped(optimiser: Callable[..., Optimizer]) -> torch.Tensor:
    """A parameter after four steps on gradients that shrink, so that AMSGrad and momentum matter."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    made = optimiser([weight])
    for gradient in (4.0, 1.0, 0.1, -0.5):
        weight.grad = torch.full_like(weight, gradient)
        made.step()
    return weight.detach()


@pytest.mark.parametrize(("options", "theirs"), THEIRS, ids=[str(options) for options, _ in THEIRS])
def test_steps_are_pytorchs(options: dict, theirs: Callable[..., Optimizer]) -> None:
    ours = stepped(lambda parameters: make(OPTIMISERS, options, "optimiser", parameters=parameters))
    torch.testing.assert_close(ours, stepped(theirs), rtol=1e-6, atol=0)  # one kernel rounds otherwise than several
    assert not torch.equal(ours, torch.tensor([1.0, -2.0, 3.0]))


def test_amsgrad_is_another_rule_than_adam() -> None:
    plain, largest = (
        stepped(lambda p, name=name: make(OPTIMISERS, {"name": name}, "optimiser", parameters=p))
        for name in ("adam", "amsgrad")
    )
    assert not torch.equal(plain, largest)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "rmsprop", "momentum": 1.5}, "momentum = 1.5"),
        ({"name": "adam", "lr": 0}, "lr = 0"),
        ({"name": "adam", "momentum": 0.9}, "unknown key 'momentum'"),
        ({"name": "amsgrid"}, "did you mean 'amsgrad'"),
    ],
)
def test_bad_values_are_named(options: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        make(OPTIMISERS, options, "optimiser", parameters=[])
