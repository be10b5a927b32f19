"""Averages of weights, worked out by hand from the weights of each epoch; judged, kept, and the same after a resume."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from resight.engine.averaging import AVERAGES, Average, Averaging
from resight.errors import RecipeError
from resight.recipe import make
from resight.records import ReidDataset
from resight.run import build_model
from resight.tasks.reid.system import EmbeddingSystem
from resight.training import check, train, validate
from tests.support.cuts import assert_resumes_to_the_same
from tests.support.runs import assert_equal_weights, metrics, weights

TRAINED = ["loggers=[]", "optimiser.lr=0.001", "schedule=constant"]


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """The network's weights after each step of a training, as it takes them."""
    found: list[dict[str, Tensor]] = []
    ended = EmbeddingSystem.on_train_batch_end

    def keep(self, *given):  # type: ignore[no-untyped-def]
        found.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        ended(self, *given)

    monkeypatch.setattr(EmbeddingSystem, "on_train_batch_end", keep)
    return found


def parameters(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_parameters()]


def test_epochs_and_shares_are_as_asked() -> None:
    made = [make(AVERAGES, options, "average", epochs=12) for options in ({"name": "swa"}, {"name": "ema", "start": 2})]
    assert made == [Average(9, "epoch"), Average(2, "step", 0.999)]


@pytest.mark.parametrize(
    ("average", "told"),
    [
        ("{name: swa, start: 3}", "average.start = 3: the training has 3 epochs, so that nothing is averaged"),
        ("{name: ema, decay: 1}", r"average \(ema\): decay = 1"),
        ("emma", "average: no 'emma'.* 'ema'"),
    ],
)
def test_what_averages_nothing_is_said_before_the_training(average: str, told: str, crowd: ReidDataset, tiny) -> None:
    with pytest.raises(RecipeError, match=told):
        check(tiny(f"average={average}"), crowd)


@pytest.mark.slow
def test_swa_is_the_mean_of_the_weights_after_each_epoch(crowd: ReidDataset, tiny, tmp_path: Path, passed) -> None:  # type: ignore[no-untyped-def]
    recipe = tiny("epochs=4", "average={name: swa, start: 1}", *TRAINED)
    train(recipe, crowd, tmp_path / "run", quiet=True)
    steps = len(passed) // 4
    found, after = weights(tmp_path / "run"), passed[2 * steps - 1 :: steps]
    assert len(after) == 3
    for name in parameters(build_model(recipe, 6)):
        torch.testing.assert_close(found[name], torch.stack([one[name] for one in after]).mean(0), msg=name)
    assert found["neck.num_batches_tracked"] == steps, "statistics are of one pass"
    assert not torch.equal(found["neck.running_mean"], after[-1]["neck.running_mean"])


@pytest.mark.slow
def test_ema_keeps_less_of_the_beginning_in_its_first_steps(crowd: ReidDataset, tiny, tmp_path: Path, passed) -> None:  # type: ignore[no-untyped-def]
    recipe = tiny("epochs=3", "average={name: ema, decay: 0.25, start: 1}", *TRAINED)
    train(recipe, crowd, tmp_path / "run", quiet=True)
    counted = passed[len(passed) // 3 :]
    assert len(counted) > 3
    found = weights(tmp_path / "run")
    for name in [*parameters(build_model(recipe, 6)), "neck.running_mean"]:
        expected = counted[0][name]
        for number, one in enumerate(counted[1:], 1):
            kept = min(0.25, (1 + number) / (10 + number))
            expected = kept * expected + (1 - kept) * one[name]
        torch.testing.assert_close(found[name], expected, msg=name)


HELD_OUT = "validation={ratio: 0.34, every: 1, pictures: false, monitor: loss}"
WIDE = "losses={triplet: {margin: 10}, identity: {}}"


@pytest.mark.slow
def test_weights_join_after_a_step_without_a_number_of_theirs_being_read(tiny) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to("meta")  # which has none
    averaging, system = Averaging(tiny("average.name=ema")), SimpleNamespace(model=network, device="meta", beside={})
    averaging.setup(None, system, "fit")  # type: ignore[arg-type]
    averaging.averaged.n_averaged += 5
    averaging.on_train_start(None, system)  # type: ignore[arg-type]
    averaging._join(network)
    assert averaging.averaged.n_averaged == 6


def test_the_average_is_judged_beside_the_weights_and_the_better_kept(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=3", "average={name: swa, start: 1}", HELD_OUT, WIDE, *TRAINED)
    heard = []
    train(recipe, crowd, tmp_path / "run", quiet=True, on_validation=lambda epoch, figures: heard.append(figures))
    rows = metrics(tmp_path / "run")
    assert [bool(row["val/average/loss"]) for row in rows] == [False, True, True]
    assert {"mAP", "average/mAP", "average/rank-1"} <= heard[1].keys()
    # Of one epoch the average is the weights; only their statistics are others.
    assert rows[1]["val/average/loss"] != rows[1]["val/loss"]
    lowest = min(float(row[name]) for row in rows for name in ("val/loss", "val/average/loss") if row[name])
    assert validate(tmp_path / "run", crowd)["loss"] == pytest.approx(lowest, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("average", "freeze"), [("ema", "{trunk: 1}"), ("{name: swa, start: 0}", "{trunk: 2, neck: always}")]
)
def test_a_run_cut_beside_the_thaw_ends_with_the_same_average(
    average: str, freeze: str, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    recipe = tiny("epochs=3", f"average={average}", f"freeze={freeze}", HELD_OUT, WIDE, *TRAINED)
    assert_resumes_to_the_same(recipe, crowd, tmp_path)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")
    whole, cut = (averaged(tmp_path / name) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def averaged(folder: Path) -> dict[str, Tensor]:
    states = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]
    return states[Averaging.__qualname__]["averaged"]


@pytest.mark.slow
def test_statistics_that_are_frozen_for_good_are_not_found_anew(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=2", "average={name: swa, start: 0}", "freeze={trunk: always}", *TRAINED)
    torch.manual_seed(recipe.seed)
    before = build_model(recipe, 6).state_dict()
    after = weights(train(recipe, crowd, tmp_path / "run", quiet=True).folder)
    trunk = [name for name in before if name.startswith("backbone.trunk")]
    assert trunk
    assert all(torch.equal(before[name], after[name]) for name in trunk)
    assert not torch.equal(before["neck.running_mean"], after["neck.running_mean"])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["reid-vae", "segmentation-unet", "attributes-residual-cnn", "reid-bruna"])
def test_every_system_judges_an_average(recipe: str, annotated: ReidDataset, tiny, tmp_path: Path) -> None:
    made = tiny("epochs=2", "average={name: swa, start: 0}", "loggers=[]", recipe=recipe)
    made = made.model_copy(update={"validation": made.validation.model_copy(update={"ratio": 0.34, "every": 1})})
    run = train(made, annotated, tmp_path / "run", quiet=True)
    row = metrics(run.folder)[-1]
    figures = {name.removeprefix("val/") for name in row if name.startswith("val/") and "average" not in name}
    assert figures
    assert {name for name in row if name.startswith("val/average/")} == {f"val/average/{name}" for name in figures}
