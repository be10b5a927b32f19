"""What a loss states is what training does with it: a loss that notes what it is told trains for two epochs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn, optim

from resight.errors import RecipeError
from resight.losses import LOSSES
from resight.losses.base import Loss
from resight.records import ReidDataset
from resight.training import train
from tests.support.runs import metrics


class Noting(Loss):
    """Notes its calls, and has a parameter with an optimiser of its own."""

    reads = ("logits", "features")
    own_optimiser = optim.SGD
    learning_rate = 0.25

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, logits: Tensor, features: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Tensor:
        assert cameras is not None
        self.told.append(f"{logits.shape[1]} logits, {features.shape[1]} features, {len(ids)} images")
        return self.offset + features.sum() * 0

    def figures(self) -> dict[str, Tensor]:
        return {"calls": torch.tensor(float(self.told.count("batch")))}

    def begin_epoch(self, epoch: int) -> None:
        self.told.append(f"epoch {epoch}")

    def end_batch(self) -> None:
        self.told.append("batch")

    def end_epoch(self, total) -> None:  # type: ignore[no-untyped-def]
        self.told.append(f"total {total(torch.tensor(3.0)).item()}")


def test_a_loss_reads_what_it_names_and_is_told_of_epochs_and_batches(
    crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = Noting()
    monkeypatch.setitem(LOSSES, "noting", lambda: loss)
    recipe = tiny("epochs=2", "losses={noting: {weight: 0.5}, identity: {}}", "sampler.identities=6", "loggers=[]")
    train(recipe, crowd, tmp_path / "run", quiet=True)
    step = ["6 logits, 512 features, 24 images", "batch"]
    batches = (len(loss.told) - 4) // 4
    assert loss.told == ["epoch 0", *step * batches, "total 3.0", "epoch 1", *step * batches, "total 3.0"]
    assert batches >= 1
    # The gradient is the weight, by which it is divided: each step moves the offset by the rate.
    assert loss.offset.item() == pytest.approx(-0.25 * 2 * batches)
    # The mean over the epoch of the batches ended before each.
    assert [float(row["train/noting/calls"]) for row in metrics(tmp_path / "run")] == pytest.approx(
        [(batches - 1) / 2, batches + (batches - 1) / 2]
    )


def test_a_loss_that_states_nothing_asks_for_nothing() -> None:
    loss = Loss()
    loss.begin_epoch(3)
    loss.end_batch()
    loss.end_epoch(lambda values: values)
    assert not loss.state_dict()
    assert loss.figures() == {}
    assert loss.complaint({}) is None
    assert (loss.reads, loss.group, loss.needs_cameras, loss.own_optimiser) == ((), 1, False, None)


def test_a_module_that_is_no_loss_is_refused(
    crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOSSES, "linear", lambda: nn.Linear(1, 1))
    with pytest.raises(RecipeError, match=r"losses\.linear: Linear is no loss; derive it from resight\.losses\.base"):
        train(tiny("losses={linear: {}}"), crowd, tmp_path / "run", quiet=True)
