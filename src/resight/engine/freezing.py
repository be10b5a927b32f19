"""Parts of a network that stay as they are, for the first epochs of a training or for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import nn

from resight.engine.parts import begins, require_parts
from resight.errors import RecipeError
from resight.recipe import Frozen

__all__ = ["Freezing", "freeze", "frozen_in", "require_freezable"]


class Freezing(Callback):
    """Freezes the parts that a recipe's `freeze` names: no gradient, and the mode of evaluation.

    So BatchNorm's statistics stay as they are too, and there is no dropout. What is frozen depends on the epoch alone:
    a resumed training goes on as an uninterrupted one.
    """

    def __init__(self, freeze: Mapping[str, Frozen]) -> None:
        self.freeze = dict(freeze)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        freeze(pl_module.model, self.freeze, trainer.current_epoch)


def freeze(network: nn.Module, freeze: Mapping[str, Frozen], epoch: int) -> None:
    """Freeze what a recipe's `freeze` says of an epoch, from 0, and thaw the other parts that it names."""
    parts, named = frozen_in(freeze, epoch), set(freeze)
    for name, parameter in network.named_parameters():
        if _fits(name, named):
            parameter.requires_grad_(not _fits(name, parts))
    for name, module in network.named_modules():
        if _fits(name, named):
            module.train(not _fits(name, parts))


def frozen_in(freeze: Mapping[str, Frozen], epoch: int) -> set[str]:
    """The beginnings that are frozen in an epoch, from 0.

    >>> frozen_in({"backbone.trunk": 5, "neck": "always"}, epoch=5)
    {'neck'}
    """
    return {part for part, epochs in freeze.items() if epochs == "always" or epoch < epochs}


def require_freezable(freeze: Mapping[str, Frozen], names: Iterable[str]) -> None:
    """Raise RecipeError for a beginning that no parameter has, and when nothing is left to train in some epoch."""
    names = list(names)
    require_parts("freeze", freeze, names)
    if freeze and all(_fits(name, frozen_in(freeze, 0)) for name in names):
        raise RecipeError("freeze: every part is frozen in the first epoch, so that nothing could be trained")


def _fits(name: str, beginnings: Iterable[str]) -> bool:
    return any(begins(name, beginning) for beginning in beginnings)
