"""What every loss of the table owes: a right gradient, float32 at least, and 0 where there is nothing to learn from."""

from __future__ import annotations

import pytest
import torch

from resight.losses import LOSSES
from resight.losses.base import Loss
from resight.recipe import make
from tests.support.syncs import Waits

IDS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])


def loss_of(name: str) -> Loss:
    torch.manual_seed(0)
    return make(LOSSES, {"name": name}, f"losses.{name}", num_classes=4, dim=5)


def values_for(loss: Loss) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(8, 4 if loss.reads == ("logits",) else 5)


# Circle loss has no gradient through its weights, on purpose: its own test compares it with the formula.
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "circle"])
def test_gradients_numerically(name: str) -> None:
    loss = loss_of(name).double()
    values = values_for(loss).double().requires_grad_()
    parameters = tuple(loss.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: loss(x, IDS), (values, *parameters))


@pytest.mark.parametrize("name", LOSSES)
def test_mixed_precision_changes_nothing_but_the_input(name: str) -> None:
    loss = loss_of(name)
    # far from the origin, where a distance is the small difference of large numbers
    values = (values_for(loss) + 10).bfloat16()
    plain = loss(values.float(), IDS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = loss(values, IDS)
    assert mixed.dtype == torch.float32
    assert mixed.item() == plain.item()
    assert all(parameter.dtype == torch.float32 for parameter in loss.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_a_gpu_is_not_waited_for(name: str) -> None:
    loss = loss_of(name)
    values = values_for(loss).requires_grad_()
    with Waits() as waits:
        loss(values, IDS, IDS % 2).backward()
    assert waits.found == []


def test_what_would_wait_for_a_gpu_is_seen() -> None:
    for asks in (lambda x: x[x > 0], lambda x: float(x.sum()), lambda x: x.unique(), lambda x: bool((x > 0).any())):
        with Waits() as waits:
            asks(torch.randn(5))
        assert waits.found


@pytest.mark.parametrize("name", ["triplet", "centroid-triplet", "circle", "verification"])
def test_a_batch_without_pairs_is_a_loss_of_zero_with_a_gradient(name: str) -> None:
    values = torch.randn(4, 5, requires_grad=True)
    nobody_twice, one_alone = torch.arange(4), torch.zeros(4, dtype=torch.int64)
    for ids in (nobody_twice, one_alone) if name != "verification" else ():
        loss = loss_of(name)(values, ids)
        loss.backward()
        assert loss.item() == 0
        assert torch.isfinite(values.grad).all()
    assert loss_of(name)(values[:1], torch.tensor([0])).item() == 0


def test_a_loss_that_tells_the_training_identities_apart_says_so() -> None:
    """It has a row for each, or reads the model's scores of them; the others give a value for people never seen."""
    for name in LOSSES:
        loss = loss_of(name)
        rows = any(4 in parameter.shape for parameter in loss.parameters())
        assert loss.of_identities == (rows or loss.reads == ("logits",)), name
        if not loss.of_identities:
            assert torch.isfinite(loss(values_for(loss), IDS + 1000)), name
