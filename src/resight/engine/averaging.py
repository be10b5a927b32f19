"""The average of a network's weights over a training, beside the weights themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resight.engine.freezing import freeze
from resight.engine.processes import mean_of_all, those_of_the_first
from resight.errors import RecipeError
from resight.recipe import Recipe, make

__all__ = ["AVERAGES", "Average", "Averaging", "average_of"]

AVERAGE = "average"
"""The word before the average's figures, as in `val/average/mAP`, and its key in `System.beside`."""


class Average(NamedTuple):
    """When weights join an average, and with which share."""

    start: int
    """Epochs before the first one that counts."""
    each: Literal["step", "epoch"]
    """After which the weights join it; after an epoch, BatchNorm's statistics are those of the average, found anew."""
    decay: float | None = None
    """Share of the average that is kept when weights join; None: every joining counts the same."""


def ema(
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999, start: Annotated[int, Field(ge=0)] = 0, *, epochs: int
) -> Average:
    """Exponential moving average over steps: `decay` of it stays at each (Polyak and Juditsky 1992).

    The n-th step after the first keeps (1 + n) / (10 + n) where that is less, so that a short training does not drag its
    beginning along. BatchNorm's statistics are averaged as well.
    `start` is the number of epochs before the first one that counts.
    """
    return Average(_begun(start, epochs), "step", decay)


def swa(start: Annotated[int, Field(ge=0)] | None = None, *, epochs: int) -> Average:
    """Stochastic weight averaging: the plain mean of the weights after each epoch (Izmailov et al. 2018).

    `start` is the number of epochs before the first one that counts; null: three quarters, as in their section 3.2. Before
    the average is judged and at the end, a pass over the training images finds its BatchNorm's statistics.
    """
    return Average(_begun(epochs * 3 // 4 if start is None else start, epochs), "epoch")


def _begun(start: int, epochs: int) -> int:
    if start >= epochs:
        raise RecipeError(f"average.start = {start}: the training has {epochs} epochs, so that nothing is averaged")
    return start


AVERAGES: dict[str, Callable[..., Average]] = {"ema": ema, "swa": swa}


def average_of(recipe: Recipe) -> Average | None:
    """What a recipe averages. Raises RecipeError for an average that does not fit its training."""
    return None if recipe.average is None else make(AVERAGES, recipe.average, "average", epochs=recipe.epochs)


class Averaging(Callback):
    """Averages the network's weights, and puts the average beside the system's network once there is one.

    It is judged at each validation, and part of the checkpoint: a resumed training ends with the same one.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        average = average_of(recipe)
        assert average is not None
        self.average = average
        self.stale = False
        """Whether BatchNorm's statistics are not those of the average."""
        self.step = 0
        """The optimiser's steps at the last joining."""

    def setup(self, trainer: lightning.Trainer, pl_module: Any, stage: str) -> None:
        # Lightning's own callback of this kind averages the whole system, and validates the average in place of the weights.
        self.averaged = AveragedModel(pl_module.model, use_buffers=self.average.each == "step").eval()

    def _join(self, network: nn.Module) -> None:
        """Have the network's weights join the average. After a step, a GPU is not waited for."""
        number = int(self.averaged.n_averaged)
        if self.average.decay is None or not number:
            self.averaged.update_parameters(network)
            return
        decay = min(self.average.decay, (1 + number) / (10 + number))
        for kind, (kept, joining) in _by_type(self.averaged.module, network).items():
            if kind.is_floating_point:
                get_ema_multi_avg_fn(decay)(kept, joining, number)  # type: ignore[arg-type]
            else:  # counts, of which there is no average
                torch._foreach_copy_(kept, joining)
        self.averaged.n_averaged += 1

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.averaged.module.to(pl_module.device)  # the count, which is read at each joining, stays on the CPU
        self._show(pl_module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped = trainer.global_step > self.step
        due = trainer.is_last_batch if self.average.each == "epoch" else stepped
        if due and stepped and trainer.current_epoch >= self.average.start:
            self._join(pl_module.model)
            self.step, self.stale = trainer.global_step, self.average.each == "epoch"
            self._show(pl_module)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._refresh(trainer, pl_module)
        # Each process has its own share's statistics, and judges a part of the images.
        those_of_the_first(list(self.averaged.module.buffers()))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self._refresh(trainer, pl_module)

    def _show(self, system: Any) -> None:
        if self.averaged.n_averaged:
            system.beside[AVERAGE] = self.averaged.module

    def _refresh(self, trainer: lightning.Trainer, system: Any) -> None:
        """Find BatchNorm's statistics of the average, by the batches of the last epoch."""
        if not self.stale:
            return
        epoch = min(trainer.current_epoch, self.recipe.epochs - 1)  # after the last one it counts on
        network: nn.Module = self.averaged.module.train()
        freeze(network, self.recipe.freeze, epoch)
        batches = trainer.datamodule.batches_of(epoch)  # type: ignore[attr-defined]
        with (
            system.judging(AVERAGE),
            torch.no_grad(),
            torch.random.fork_rng(),
            trainer.precision_plugin.forward_context(),
        ):
            torch.manual_seed(self.recipe.seed)
            with _statistics_anew(network):
                for batch in batches:
                    if len(batch.images) > 1:  # as in training
                        batch = trainer.strategy.batch_to_device(batch)
                        system.run_model(system.prepare(batch), batch)
        mean_of_all([values for values in network.buffers() if values.is_floating_point()])
        network.eval()
        self.stale = False

    def state_dict(self) -> dict[str, Any]:
        return {"averaged": self.averaged.state_dict(), "step": self.step, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.averaged.load_state_dict(state_dict["averaged"])
        self.step, self.stale = state_dict["step"], state_dict["stale"]


def _by_type(averaged: nn.Module, network: nn.Module) -> dict[torch.dtype, tuple[list[Tensor], list[Tensor]]]:
    """Weights and statistics of an average and of the network, by their type."""
    found: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for kept, joining in zip(_numbers(averaged), _numbers(network), strict=True):
        kinds = found.setdefault(kept.dtype, ([], []))
        kinds[0].append(kept.detach())
        kinds[1].append(joining.detach())
    return found


def _numbers(network: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(network.parameters(), network.buffers())


@contextmanager
def _statistics_anew(network: nn.Module) -> Iterator[None]:
    """BatchNorm's statistics of a network become plain means over the batches that go through it meanwhile.

    Those of layers in the mode of evaluation, which are frozen, stay; `torch.optim.swa_utils.update_bn` resets them.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
