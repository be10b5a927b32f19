"""Attribute recognition: any model that returns attribute -> logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.engine.system import System
from resight.errors import RecipeError
from resight.losses import ATTRIBUTE_LOSSES
from resight.losses.attributes import AttributeLoss
from resight.models.heads import probabilities
from resight.recipe import Recipe, make
from resight.records import AttributeSchema, Record
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.scores import AttributeScores, score
from resight.views import charts

__all__ = ["AttributeSystem", "adapt_weights"]


class AttributeSystem(System):
    """The recipe's one loss over all attributes of `schema`; `counts` are their images per class in training.

    Validation gives `val/accuracy` (mean over attributes), `val/balanced` (mean of their macro recalls) and `val/loss`.
    It draws confusion matrices and the most and the least confident images, unless `validation.pictures` is false.
    """

    learns = frozenset({"attributes"})

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        schema: AttributeSchema,
        counts: Sequence[Sequence[int]],
        validation: Sequence[Record] = (),
    ) -> None:
        super().__init__(recipe, model, validation)
        if set(recipe.losses) != {"attributes"}:
            raise RecipeError(
                f"losses: a system for attributes has one section, `attributes`, not {', '.join(recipe.losses)}"
            )
        self.schema = schema
        options = {"name": "cross-entropy", **recipe.losses["attributes"]}
        self.loss = make(ATTRIBUTE_LOSSES, options, "losses.attributes", counts=counts)
        self._collected: list[tuple[dict[str, Tensor], Tensor, Tensor, float]] = []
        """Of each batch: probabilities, targets, positions in the validation images, loss."""

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.model(inputs)
        known = batch.targets >= 0
        guesses = torch.stack([values.argmax(1) for values in probabilities(logits).values()], dim=1)
        right = ((guesses == batch.targets) & known).sum() / known.sum().clamp(min=1)
        self.log("train/accuracy", right, on_step=False, on_epoch=True, sync_dist=True)
        return {"attributes": self.loss(logits, batch.targets)}

    def on_train_epoch_end(self) -> None:
        adapt_weights(self, self.loss)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.unreadable.update(batch.failed)
        if len(batch.images):
            logits = self.model(self.prepare(batch))
            loss = float(self.loss(logits, batch.targets))
            found = {name: values.cpu() for name, values in probabilities(logits).items()}
            self._collected.append((found, batch.targets.cpu(), batch.index.cpu(), loss))

    def on_validation_epoch_end(self) -> None:
        # As with embeddings, each process sees the whole validation set.
        batches, targets, index, losses = zip(*self._collected, strict=True)
        self._collected.clear()
        found = {name: torch.cat([values[name] for values in batches]).numpy() for name in self.schema.names}
        loss = float(np.average(losses, weights=[len(rows) for rows in targets]))
        truth = torch.cat(targets).numpy()
        scores = score(found, truth, self.schema)
        figures = {"val/accuracy": scores.mean("accuracy"), "val/balanced": scores.mean("recall"), "val/loss": loss}
        self.log_dict(figures, prog_bar=True, rank_zero_only=False)
        if self.recipe.validation.pictures:
            self._draw_errors(scores, found, truth, torch.cat(index).tolist())

    @rank_zero_only
    def _draw_errors(
        self,
        scores: AttributeScores,
        found: dict[str, NDArray[np.float32]],
        targets: NDArray[np.int64],
        index: list[int],
    ) -> None:
        self.picture("validation/confusion", charts.raster(confusion_chart(scores)))
        grids = confidence_grids([self.validation[position] for position in index], found, targets)
        for name, grid in zip(("most-confident", "least-confident"), grids.values(), strict=False):
            self.picture(f"validation/{name}", grid)


def adapt_weights(system: System, loss: nn.Module) -> None:
    """End an epoch of an AttributeLoss with the confusion that all processes saw."""
    assert isinstance(loss, AttributeLoss)
    confusion = loss.confusion
    if system.trainer.world_size > 1:
        confusion = torch.as_tensor(system.all_gather(confusion)).sum(0)
    loss.end_epoch(confusion)
