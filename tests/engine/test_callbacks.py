"""What happens around the epochs: the best weights stay, metrics.csv has a row an epoch, somebody is told."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import nn

from resight.engine.callbacks import (
    BestWeights,
    Complaints,
    EpochBar,
    EpochLines,
    FiniteNumbers,
    MetricsFile,
    SomethingLearned,
    SomethingRead,
    ValidationListener,
)
from resight.errors import DataError, RecipeError, RunError
from resight.losses.base import Loss
from resight.run import Run
from tests.support.runs import metrics, weights
from tests.support.terminal import screen


class Model(nn.Module):
    """One number, so that weights tell which epoch they are of."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = nn.Parameter(torch.zeros(()))


@pytest.fixture
def run(tiny, tmp_path: Path) -> Run:
    return Run(tmp_path, tiny("validation.ratio=0.5"), classes=1)


def trainer(epoch: int = 0, figures: dict[str, float] | None = None, first: bool = True) -> SimpleNamespace:
    """Lightning's trainer, as far as callbacks look at it: epochs count from 0."""
    return SimpleNamespace(
        current_epoch=epoch, max_epochs=10, is_global_zero=first, callback_metrics=dict(figures or {})
    )


def system(**facts: object) -> SimpleNamespace:
    return SimpleNamespace(
        **{
            "model": Model(),
            "beside": {},
            "counts": [2],
            "first_epoch": 0,
            "unreadable": set(),
            "state_dict": dict,
            **facts,
        }
    )


def kept(best: BestWeights, name: str, values: list[float]) -> float:
    """The epoch whose weights are kept when validations give these values, one after the other."""
    trained = system()
    for epoch, value in enumerate(values):
        trained.model.epoch.data.fill_(epoch)
        best.on_validation_end(trainer(epoch, {name: value}), trained)
    return weights(best.run.folder)["epoch"].item()


def test_the_weights_of_the_highest_figure_are_kept(run: Run) -> None:
    assert kept(BestWeights(run), "val/mAP", [0.1, 0.4, 0.4, 0.3]) == 1


def test_of_an_average_and_the_weights_the_better_is_kept(run: Run) -> None:
    best, trained, average = BestWeights(run), system(), Model()
    trained.beside["average"] = average
    average.epoch.data.fill_(7)
    found = []
    for epoch, figures in enumerate([(0.2, 0.3), (0.4, 0.3), (0.1, 0.4), (0.1, 0.5)]):
        trained.model.epoch.data.fill_(epoch)
        best.on_validation_end(trainer(epoch, dict(zip(("val/mAP", "val/average/mAP"), figures, strict=True))), trained)
        found.append(weights(run.folder)["epoch"].item())
    assert found == [7, 1, 1, 7]


def test_of_a_loss_the_lowest(run: Run) -> None:
    run.recipe.validation.monitor = "loss"
    assert kept(BestWeights(run), "val/loss", [2.0, 0.5, 1.0]) == 1


def test_without_any_figure_some_weights_are_kept_all_the_same(run: Run) -> None:
    nothing = float("nan")
    assert kept(BestWeights(run), "val/mAP", [nothing, nothing]) == 0


def test_the_losses_state_is_kept_as_it_was_when_the_kept_weights_were_validated(run: Run) -> None:
    best = BestWeights(run)
    for epoch, value in enumerate([0.1, 0.4, 0.3]):
        state = {"model.epoch": torch.zeros(()), "losses.triplet.iterations": torch.tensor(10 * epoch)}
        best.on_validation_end(trainer(epoch, {"val/mAP": value}), system(state_dict=lambda state=state: state))
    assert run.load_validation_state() == ({"losses.triplet.iterations": torch.tensor(10)}, 1)
    run.validation_state.write_bytes(run.validation_state.read_bytes()[:20])
    with pytest.raises(RunError, match=r"validation\.safetensors is damaged: "):
        run.load_validation_state()
    run.validation_state.unlink()
    assert run.load_validation_state() is None


def test_a_resumed_run_remembers_its_best(run: Run) -> None:
    before = BestWeights(run)
    assert kept(before, "val/mAP", [0.1, 0.5]) == 1
    after = BestWeights(run)
    after.load_state_dict(before.state_dict())
    after.on_validation_end(trainer(2, {"val/mAP": 0.4}), system())
    assert weights(run.folder)["epoch"].item() == 1


def test_an_unknown_figure_is_told_those_there_are(run: Run) -> None:
    run.recipe.validation.monitor = "map"
    with pytest.raises(RecipeError, match=r"validation.monitor = 'map'; there is: mAP, rank-1$"):
        BestWeights(run).on_validation_end(trainer(0, {"val/rank-1": 1, "val/mAP": 1, "train/loss": 1}), system())


def test_only_the_first_process_writes_weights(run: Run) -> None:
    BestWeights(run).on_validation_end(trainer(0, {"val/mAP": 0.5}, first=False), system())
    assert not run.weights.exists()


class Grumbling(Loss):
    """Complains of a figure below 1."""

    def complaint(self, figures):  # type: ignore[no-untyped-def]
        return f"only {figures['active']:g}" if figures["active"] < 1 else None


def complained(callback: Complaints, values: list[float], first_epoch: int = 0) -> None:
    losses = {"triplet": Grumbling(), "identity": Loss()}
    for epoch, value in enumerate(values, first_epoch):
        figures = {"train/triplet/active": value, "train/triplet": 0.0, "val/mAP": 0.0}
        callback.on_train_epoch_end(trainer(epoch, figures), system(losses=losses))


def test_a_loss_that_finds_an_epoch_wrong_says_so_once_and_not_of_the_beginning() -> None:
    lines: list[str] = []
    callback = Complaints(2, lines.append)
    complained(callback, [0.5, 0.5, 1, 0.25, 0.5])
    assert lines == ["epoch 4: losses.triplet: only 0.25"]
    resumed = Complaints(2, lines.append)
    resumed.load_state_dict(callback.state_dict())
    complained(resumed, [0.5], first_epoch=5)
    assert len(lines) == 1, "nor again after a resume"


def test_a_loss_without_figures_has_nothing_to_complain_of() -> None:
    lines: list[str] = []
    Complaints(0, lines.append).on_train_epoch_end(trainer(), system(losses={"triplet": Grumbling()}))
    assert lines == []


def test_a_listener_hears_the_figures_of_validations_alone() -> None:
    heard = []
    listener = ValidationListener(lambda epoch, figures: heard.append((epoch, figures)))
    listener.on_validation_end(trainer(4, {"val/mAP": 0.25, "val/rank-1": 0.5, "train/loss": 3, "lr": 0.1}), system())
    assert heard == [(5, {"mAP": 0.25, "rank-1": 0.5})]


def test_an_epoch_without_one_readable_image_ends_the_training() -> None:
    callback, trained = SomethingRead(), system(unreadable={"b.jpg: broken", "a.jpg: broken"})
    callback.on_train_epoch_start(trainer(), trained)
    callback.on_train_batch_end(trainer(), trained, None, SimpleNamespace(images=[1, 2]), 0)
    callback.on_train_epoch_end(trainer(), trained)
    callback.on_train_epoch_start(trainer(), trained)
    callback.on_train_batch_end(trainer(), trained, None, SimpleNamespace(images=[]), 0)
    with pytest.raises(DataError, match="none of 2 images could be read; the first: a.jpg: broken"):
        callback.on_train_epoch_end(trainer(), trained)


def test_an_epoch_whose_batches_were_all_passed_over_ends_the_training() -> None:
    callback, batch = SomethingLearned(), SimpleNamespace(images=[1])
    callback.on_train_epoch_start(trainer(), system())
    for outputs in ({}, {"loss": torch.tensor(1.0)}):
        callback.on_train_batch_end(trainer(), system(), outputs, batch, 0)
    callback.on_train_epoch_end(trainer(), system())
    callback.on_train_epoch_start(trainer(1), system())
    callback.on_train_batch_end(trainer(1), system(), {}, batch, 0)
    with pytest.raises(DataError, match="nothing was learned in epoch 2: no batch has two images that can be read"):
        callback.on_train_epoch_end(trainer(1), system())


def judged(run: Run, losses: list[float], weight: float = 1.0, others: bool = True) -> None:
    """An epoch of these losses that ends with this weight, in two processes of which the other says `others`."""
    seen, trained, guard = trainer(1), Model(), FiniteNumbers(run)
    seen.strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision and others)
    trained.epoch.data.fill_(weight)
    guard.on_train_epoch_start(seen, trained)
    for place, loss in enumerate(losses):
        guard.on_train_batch_end(seen, trained, {"loss": torch.tensor(loss)}, None, place)
    guard.on_train_batch_end(seen, trained, {}, None, len(losses))
    guard.on_validation_start(seen, trained)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_end_the_training_before_a_validation(run: Run, bad: float) -> None:
    judged(run, [3.0, 2.0])
    with pytest.raises(RunError, match=r"the loss is not finite in epoch 2: .* keeps epoch 1; train anew with a lower"):
        judged(run, [3.0, bad, 2.0])
    with pytest.raises(RunError, match="a weight is not finite in epoch 2"):
        judged(run, [3.0, 2.0], weight=bad)
    with pytest.raises(RunError, match="the loss is not finite"):
        judged(run, [3.0], others=False)


def test_a_long_epoch_is_not_waited_for_once_its_loss_is_not_finite(run: Run) -> None:
    losses = [float("nan")] + [1.0] * (FiniteNumbers.EVERY - 1)
    seen, guard = trainer(), FiniteNumbers(run)
    seen.strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision)
    for place, loss in enumerate(losses[:-1]):
        guard.on_train_batch_end(seen, system(), {"loss": torch.tensor(loss)}, None, place)
    with pytest.raises(RunError, match="the loss is not finite in epoch 1: the training has diverged; train anew"):
        guard.on_train_batch_end(seen, system(), {"loss": torch.tensor(1.0)}, None, len(losses) - 1)


def epoch(file: MetricsFile, number: int, figures: dict[str, float], validated: bool = False) -> None:
    seen = trainer(number, figures)
    file.on_train_epoch_start(seen, system())
    if validated:
        file.on_validation_end(seen, system())
    file.on_train_epoch_end(seen, system())


def test_metrics_have_a_row_an_epoch_and_validations_only_where_there_was_one(run: Run) -> None:
    file = MetricsFile(run)
    file.on_train_start(trainer(), system())
    epoch(file, 0, {"train/loss": 2.5, "lr": 0.1, "loss": 9})
    epoch(file, 1, {"train/loss": 1 / 3, "lr": 0.1, "val/mAP": 0.5}, validated=True)
    epoch(file, 2, {"train/loss": 1, "lr": 0.1, "val/mAP": 0.5})
    rows = [{key: row[key] for key in row if key not in ("seconds", "data/wait")} for row in metrics(run.folder)]
    assert rows == [
        {"epoch": "1", "train/loss": "2.5", "lr": "0.1", "val/mAP": ""},
        {"epoch": "2", "train/loss": "0.333333", "lr": "0.1", "val/mAP": "0.5"},
        {"epoch": "3", "train/loss": "1", "lr": "0.1", "val/mAP": ""},
    ]


def test_rows_of_epochs_that_a_resumed_run_repeats_are_dropped(run: Run) -> None:
    with open(run.metrics, "w", newline="") as file:
        csv.writer(file).writerows([["epoch", "train/loss"], [1, 9], [2, 8], [3, 7]])
    resumed = MetricsFile(run)
    resumed.on_train_start(trainer(), system(first_epoch=2))
    epoch(resumed, 2, {"train/loss": 5})
    assert [(row["epoch"], row["train/loss"]) for row in metrics(run.folder)] == [("1", "9"), ("2", "8"), ("3", "5")]


def test_a_line_an_epoch_tells_figures_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    lines = EpochLines(told.append)
    clock = iter([100.0, 130.0])
    monkeypatch.setattr("resight.engine.callbacks.time.monotonic", lambda: next(clock))
    lines.on_train_start(trainer(), system(first_epoch=2))
    lines.on_train_epoch_end(trainer(4, {"train/loss": 1.23456, "lr": 0.1}, first=False), system())
    figures = {"train/loss": 1.23456, "train/triplet/active": 0.5, "val/average/mAP": 0.5, "lr": 0.1}
    lines.on_train_epoch_end(trainer(4, figures), system())
    # Three epochs of ten seconds are done since the resume, and five are left.
    assert told == ["epoch 5/10  train/loss 1.235  val/average/mAP 0.500  50 s left"]


@pytest.mark.parametrize(("width", "shown"), [(80, "loss 0.500  val/mAP 0.300"), (52, "loss…")])
def test_the_bar_is_one_line_that_stays(width: int, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=width)
    monkeypatch.setattr("resight.engine.callbacks.Console", lambda stderr: terminal)
    bar, resumed = EpochBar(), system(first_epoch=7)
    bar.on_train_start(at(7), resumed)
    for epoch in (7, 8, 9):
        bar.on_train_epoch_start(at(epoch), resumed)
        for place in range(4):
            bar.on_train_batch_end(at(epoch, {"loss": 0.5}), resumed, None, None, place)
            bar.bar.refresh()
        bar.on_validation_start(at(epoch), resumed)
        bar.bar.refresh()
        assert f"epoch {epoch + 1}/10, validation" in screen(written.getvalue())[0]
        bar.on_train_epoch_end(at(epoch, {"loss": 0.5, "val/mAP": 0.3}), resumed)
    bar.on_train_end(at(9), resumed)
    (line,) = filter(None, screen(written.getvalue()))
    assert line.startswith("epoch 10/10 ━")
    assert line.endswith(f"12/12 0:00:00 {shown}")


def test_the_bar_ends_with_an_error_and_only_the_first_process_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=70)
    monkeypatch.setattr("resight.engine.callbacks.Console", lambda stderr: terminal)
    bar = EpochBar()
    bar.on_train_start(at(0, first=False), system())
    bar.on_train_batch_end(at(0, first=False), system(), None, None, 0)
    bar.on_train_end(at(0, first=False), system())
    assert not written.getvalue()
    bar.on_train_start(at(0), system())
    bar.on_exception(at(0), system(), RunError("diverged"))
    assert written.getvalue().endswith("\x1b[?25h"), "the cursor is shown again"


def at(epoch: int, shown: dict[str, float] | None = None, first: bool = True) -> SimpleNamespace:
    """The trainer in an epoch of four batches, with these figures for the bar."""
    seen = trainer(epoch, first=first)
    seen.num_training_batches, seen.progress_bar_metrics = 4, shown or {}
    return seen
