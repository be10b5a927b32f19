"""Lightning callbacks of a training: metrics.csv, best weights, progress, listeners to validations."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from resight.engine.processes import connected, part, told_by_all
from resight.errors import DataError, RecipeError, ResightError, RunError, none_readable
from resight.files import written_whole
from resight.run import Run

__all__ = [
    "BestWeights",
    "Complaints",
    "DataWait",
    "EpochBar",
    "EpochLines",
    "FiniteNumbers",
    "MetricsFile",
    "OnValidation",
    "Parting",
    "SomethingLearned",
    "SomethingRead",
    "ValidationListener",
]


OnValidation = Callable[[int, dict[str, float]], None]
"""Called with the epoch, from 1, and its figures by name, such as `{"mAP": 0.41, "rank-1": 0.6}`."""

_WEIGHTS = "model."
"""How names of a system's state begin that are the network's own."""


class BestWeights(Callback):
    """Keeps the weights of the best validated epoch in model.safetensors, the network's own or an average of them.

    Beside them it keeps the rest of the system as this validation had it, so that the validation can be repeated: losses
    whose state changes with training, after the validation too.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.key = f"val/{run.recipe.validation.monitor}"
        # A lower loss is better, so it is negated.
        self.sign = -1 if run.recipe.validation.monitor == "loss" else 1
        self.best = float("-inf")

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.key not in trainer.callback_metrics:
            known = sorted(key[4:] for key in trainer.callback_metrics if key.startswith("val/"))
            raise RecipeError(
                f"validation.monitor = {self.run.recipe.validation.monitor!r}; there is: {', '.join(known)}"
            )
        rest = {name: value for name, value in pl_module.state_dict().items() if not name.startswith(_WEIGHTS)}
        for word, network in {"": pl_module.model, **pl_module.beside}.items():
            key = self.key.replace("val/", f"val/{word}/", 1) if word else self.key
            value = self.sign * float(trainer.callback_metrics[key])
            # NaN (no query had a match) counts as the lowest figure, so that some weights are always kept.
            if trainer.is_global_zero and (value > self.best or not self.run.weights.exists()):
                self.best = max(value, self.best)
                # First, so that a kill in between leaves weights that a resume validates and keeps again.
                self.run.save_validation_state(rest, trainer.current_epoch)
                self.run.save_weights(network)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


class ValidationListener(Callback):
    """Calls `on_validation` with each validation's figures."""

    def __init__(self, on_validation: OnValidation) -> None:
        self.on_validation = on_validation

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        figures = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        self.on_validation(trainer.current_epoch + 1, figures)


class SomethingRead(Callback):
    """Raises DataError after an epoch in which no image could be read: nothing has been trained."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.read = 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.read += len(batch.images)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        # Asked of all processes, as below: one that ended alone would leave the others waiting.
        if not sum(told_by_all(self.read)):
            failed = sorted(set().union(*told_by_all(pl_module.unreadable)))
            raise none_readable(len(failed), failed)


class Parting(Callback):
    """Ends the connection of processes that train together, unless they were connected before there was a training."""

    def __init__(self) -> None:
        self.ours = not connected()

    def teardown(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        if self.ours:
            part()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        # Our own errors are raised between exchanges. After another, one may go on in which the others never take part.
        if self.ours and isinstance(exception, ResightError):
            part()


class SomethingLearned(Callback):
    """Ends a training that has taken no step in an epoch, since each of its batches was passed over."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.learned = 0

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.learned += bool(outputs) and min(pl_module.counts) > 1  # nothing for a batch that was passed over

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not self.learned:
            raise DataError(
                f"nothing was learned in epoch {trainer.current_epoch + 1}: no batch has two images that can be read; "
                "raise the sampler's batch, or see to the images"
            )


class FiniteNumbers(Callback):
    """Ends a training that diverges before the checkpoint, the best weights or a figure are of it.

    Losses are looked at every `EVERY` batches, so that a GPU is not waited for at each, and with the weights at the end
    of an epoch, before it is validated. Raises RunError in all processes of a training alike.
    """

    EVERY = 50

    def __init__(self, run: Run) -> None:
        self.run = run
        self.finite = torch.tensor(True)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.finite = torch.tensor(True)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The loss alone: where half precision is scaled, a gradient that overflows is a step left out, and no error.
        if outputs:
            self.finite = outputs["loss"].detach().isfinite().all() & self.finite.to(outputs["loss"].device)
        if (batch_idx + 1) % self.EVERY == 0:
            self._require(trainer, self.finite, "the loss")

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._whole(trainer, pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._whole(trainer, pl_module)

    def _whole(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._require(trainer, self.finite, "the loss")
        numbers = [value.isfinite().all() for value in pl_module.state_dict().values() if value.is_floating_point()]
        self._require(trainer, torch.stack(numbers).all(), "a weight")

    def _require(self, trainer: lightning.Trainer, finite: torch.Tensor, what: str) -> None:
        # Asked of all processes: one that ended alone would leave the others waiting.
        if not trainer.strategy.reduce_boolean_decision(bool(finite), all=True):
            done = trainer.current_epoch
            raise RunError(
                f"{what} is not finite in epoch {done + 1}: the training has diverged; "
                + (f"{self.run.folder} keeps epoch {done}; " if done else "")
                + "train anew with a lower optimiser.lr, or with trainer.clip"
            )


class Complaints(Callback):
    """Tells what a loss finds wrong with an epoch, once for each loss; the first `spared` epochs are not judged."""

    def __init__(self, spared: int, tell: Callable[[str], None]) -> None:
        self.spared, self.tell = spared, tell
        self.told: list[str] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if trainer.current_epoch < self.spared:
            return
        for label, loss in pl_module.losses.items():
            beginning = f"train/{label}/"
            figures = {
                name.removeprefix(beginning): float(value)
                for name, value in trainer.callback_metrics.items()
                if name.startswith(beginning)
            }
            complaint = loss.complaint(figures) if figures and label not in self.told else None
            if complaint is not None:
                self.told.append(label)
                if trainer.is_global_zero:
                    self.tell(f"epoch {trainer.current_epoch + 1}: losses.{label}: {complaint}")

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.told = state_dict["told"]


class DataWait(Callback):
    """Logs `data/wait`: the share of an epoch's time in which training had nothing to compute, since it waited for images."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started = self.ended = time.perf_counter()
        self.before = trainer.train_dataloader.waited  # type: ignore[union-attr]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.ended = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        waited = trainer.train_dataloader.waited - self.before  # type: ignore[union-attr]
        pl_module.log("data/wait", waited / max(self.ended - self.started, 1e-9), sync_dist=True)


class EpochBar(Callback):
    """One bar for the whole training on standard error: the epoch, batches, the time left and the last figures.

    It is one line, cut where the terminal ends, and stays as it is when the training ends, well or not.
    """

    EVERY = 0.2
    """Seconds between two looks at the figures: a GPU is waited for at each."""

    def __init__(self) -> None:
        self.bar: Progress | None = None
        self.looked = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        figures = TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
        # What is told meanwhile comes above the bar; results on standard output stay there.
        self.bar = Progress(*columns, figures, console=Console(stderr=True), redirect_stdout=False, expand=True)
        epochs = (trainer.max_epochs or 0) - pl_module.first_epoch
        self.bar.add_task(_epoch(trainer), total=epochs * int(trainer.num_training_batches), figures="")
        self.bar.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._show(trainer)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = (trainer.current_epoch - pl_module.first_epoch) * int(trainer.num_training_batches) + batch_idx + 1
        self._show(trainer, completed=done)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._show(trainer, ", validation")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.looked = 0.0
        self._show(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._stop()

    def on_exception(self, trainer: lightning.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._stop()

    def _show(self, trainer: lightning.Trainer, doing: str = "", **moved: Any) -> None:
        if self.bar is None:
            return
        if time.monotonic() - self.looked > self.EVERY:
            self.looked = time.monotonic()
            figures = {name: float(value) for name, value in trainer.progress_bar_metrics.items()}
            moved["figures"] = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self.bar.update(self.bar.task_ids[0], description=_epoch(trainer) + doing, **moved)

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def _epoch(trainer: lightning.Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"


class MetricsFile(Callback):
    """Writes metrics.csv, one row per epoch; a resume keeps the rows except those of epochs that it repeats."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: list[dict[str, Any]] = []
        self.validated = False
        self.started = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.run.metrics.exists():
            with open(self.run.metrics, newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= pl_module.first_epoch]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started, self.validated = time.monotonic(), False

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.validated = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if not trainer.is_global_zero:
            return
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "seconds": round(time.monotonic() - self.started, 2),
        }
        for name, value in trainer.callback_metrics.items():
            if name == "lr" or name.startswith(("train/", "data/")) or (name.startswith("val/") and self.validated):
                row[name] = f"{float(value):.6g}"
        self.rows = [kept for kept in self.rows if int(kept["epoch"]) < row["epoch"]] + [row]
        columns = list(dict.fromkeys(name for kept in self.rows for name in kept))
        with (
            written_whole(self.run.metrics) as partial,
            open(partial, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


class EpochLines(Callback):
    """Tells a line per epoch, where no terminal shows a bar."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.started = tell, time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.started, self.first = time.monotonic(), pl_module.first_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if trainer.is_global_zero:
            done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
            rest = (time.monotonic() - self.started) / (done - self.first) * (total - done)
            figures = "  ".join(
                f"{name} {float(value):.3f}" for name, value in trainer.callback_metrics.items() if _told(name)
            )
            self.tell(f"{_epoch(trainer)}  {figures}  {rest:.0f} s left")


def _told(name: str) -> bool:
    """Whether a line has room for a figure: what losses tell of themselves is in metrics.csv alone."""
    return "/" in name and not (name.startswith("train/") and name.count("/") > 1)
