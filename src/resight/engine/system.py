"""What every training regime shares: optimiser, schedule, seeds, logging. A system states only its step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from resight.data.loaders import Batch, normalise
from resight.data.training_set import Learned
from resight.engine.optimisers import OPTIMISERS, Jointly
from resight.engine.schedules import SCHEDULES
from resight.errors import RecipeError
from resight.recipe import Options, Recipe, make
from resight.records import Record
from resight.views.grids import save

__all__ = ["System", "weighted_losses"]


class System(lightning.LightningModule):
    """Base of all systems. A subclass gives `step`, which returns the losses by name, each with its weight applied."""

    learns: frozenset[Learned] = frozenset()
    """What of the records a subclass learns; none for one that learns from the pixels alone."""
    model: nn.Module
    first_epoch: int
    """Where this process begins: later than 0 after a resume."""

    def __init__(self, recipe: Recipe, model: nn.Module, validation: Sequence[Record] = ()) -> None:
        super().__init__()
        self.recipe = recipe
        self.validation = list(validation)
        """Images that `validation_step` is to see, in this order."""
        self.model = model.to(memory_format=torch.channels_last) if recipe.trainer.channels_last else model
        self.unreadable: set[str] = set()
        """One line for each image that could not be read so far."""
        self.first_epoch = 0

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Checkpoints are taken at the end of an epoch. Lightning's own counter says so only once its loop runs.
        self.first_epoch = checkpoint["epoch"] + 1

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError

    def prepare(self, batch: Batch) -> Tensor:
        """uint8 batch -> what the network takes."""
        inputs = normalise(batch.images, self.recipe.image)
        return inputs.contiguous(memory_format=torch.channels_last) if self.recipe.trainer.channels_last else inputs

    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        self.unreadable.update(batch.failed)
        if len(batch.images) < 2:  # BatchNorm needs two
            return None
        losses = self.step(self.prepare(batch), batch)
        total = torch.stack(list(losses.values())).sum()
        logged = {f"train/{name}": value.detach() for name, value in {"loss": total, **losses}.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch.images), sync_dist=True)
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        # Dropout and the like owe their numbers to the step alone: a resumed run draws the same ones.
        torch.manual_seed(hash((self.recipe.seed, self.global_rank, self.current_epoch, batch_index)) % 2**63)

    def on_train_epoch_start(self) -> None:
        for module in self.modules():
            if hasattr(module, "epoch"):  # such as mining that changes with the epoch
                module.epoch = self.current_epoch  # type: ignore[assignment]
        # Epoch averages join the rate in one event per epoch.
        self.log("lr", self.optimizers().param_groups[0]["lr"], on_step=False, on_epoch=True)  # type: ignore[union-attr]

    def picture(self, name: str, image: Image.Image, file: str | None = None) -> None:
        """Write a picture to a file in the run folder (`NAME.png`), and to the loggers that show pictures."""
        if not self.trainer.is_global_zero:
            return
        path = Path(self.trainer.default_root_dir) / (file or f"{name}.png")
        path.parent.mkdir(exist_ok=True)
        save(image, path)
        for logger in self.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(name, np.asarray(image), self.current_epoch + 1, dataformats="HWC")
            elif isinstance(logger, WandbLogger):
                logger.log_image(name, [image])

    def apart(self) -> list[tuple[nn.Module, float]]:
        """Parts with an optimiser of their own, each with the weight that its gradient is divided by.

        A part says which, `own_optimiser`, and its `learning_rate`.
        """
        return []

    def _together(self) -> list[tuple[str, nn.Parameter]]:
        """Name and parameter of all that has no optimiser of its own."""
        theirs = {id(parameter) for part, _ in self.apart() for parameter in part.parameters()}
        return [(name, parameter) for name, parameter in self.named_parameters() if id(parameter) not in theirs]

    def configure_optimizers(self) -> Any:
        apart = self.apart()
        rest = [(name, parameter) for name, parameter in self._together() if parameter.requires_grad]
        main = make(OPTIMISERS, self.recipe.optimiser, "optimiser", parameters=_groups(rest, self.recipe.rates))
        others = [part.own_optimiser(part.parameters(), lr=part.learning_rate) for part, _ in apart]  # type: ignore[operator]
        schedule = make(SCHEDULES, self.recipe.schedule, "schedule", epochs=self.recipe.epochs)
        optimiser = Jointly(main, *others) if others else main
        still = [lambda epoch: 1.0] * len(others)
        factors = [schedule] * len(main.param_groups) + still
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": LambdaLR(optimiser, factors), "interval": "epoch"},
        }

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Parts with an optimiser of their own neither decide what is clipped nor are clipped themselves.
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self._together()], gradient_clip_val)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        for part, weight in self.apart():
            for parameter in part.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(weight)


def weighted_losses(
    sections: Mapping[str, Options], table: Mapping[str, Callable[..., nn.Module]], **given: Any
) -> tuple[nn.ModuleDict, dict[str, float]]:
    """The losses of a recipe's `losses` section and their weights, by label; a weight of 0 switches a loss off.

    The label names the loss where its section does not. Raises RecipeError for a bad weight or when none is left.
    """
    losses, weights = nn.ModuleDict(), {}
    for label, section in sections.items():
        options = {"name": label, **section}
        weight = options.pop("weight", 1.0)
        if not isinstance(weight, int | float) or not weight >= 0:
            raise RecipeError(f"losses.{label}.weight = {weight!r}: a number of at least 0")
        if weight:
            weights[label] = float(weight)
            losses[label] = make(table, options, f"losses.{label}", **given)
    if not losses:
        raise RecipeError("losses: every weight is 0; give one loss a weight")
    return losses, weights


def _groups(named: list[tuple[str, nn.Parameter]], rates: dict[str, float]) -> list[dict[str, Any]]:
    """Parameters by their learning rate; the longest beginning that fits a name decides."""
    beginnings = sorted(rates, key=len, reverse=True)
    groups: dict[str, list[nn.Parameter]] = {"": [], **{beginning: [] for beginning in rates}}
    for name, parameter in named:
        bare = name.removeprefix("model.")
        groups[next((beginning for beginning in beginnings if bare.startswith(beginning)), "")].append(parameter)
    for beginning in rates:
        if not groups[beginning]:
            parts = sorted({".".join(name.removeprefix("model.").split(".")[:3]) for name, _ in named})
            raise RecipeError(f"rates.{beginning}: no parameter begins so; there is: {', '.join(parts)}")
    return [
        {"params": parameters, **({"lr": rates[beginning]} if beginning else {})}
        for beginning, parameters in groups.items()
        if parameters
    ]
