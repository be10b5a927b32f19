"""Training of attribute recognition, for any model that can recognise attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.data.training_set import TrainingSet
from resight.engine.system import System
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses import ATTRIBUTE_LOSSES
from resight.models.abilities import Recognises
from resight.models.heads import probabilities
from resight.recipe import Recipe
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.scores import AttributeScores, score
from resight.views import charts

__all__ = ["AttributeSystem"]


class _Looked(NamedTuple):
    """What validation keeps of one batch."""

    found: dict[str, Tensor]
    """Attribute -> probabilities (batch, classes)."""
    targets: Tensor
    """Class numbers (batch, attributes); -1 unknown."""
    positions: Tensor
    """Positions of the images among the validation images, (batch,)."""
    loss: float


class AttributeSystem(System):
    """Trains on one loss over all attributes of the training set: the recipe's section `losses.attributes`.

    Validation logs `val/accuracy` (mean over attributes), `val/balanced` (mean of their macro recalls) and `val/loss`.
    Unless `validation.pictures` is false, it draws confusion matrices and the most and the least confident images.
    """

    learns = frozenset({"attributes"})
    wants = (Recognises,)

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        if set(recipe.losses) != {"attributes"}:
            raise RecipeError(
                f"losses: a system for attributes has one section, `attributes`, not {', '.join(recipe.losses)}"
            )
        sections = {"attributes": {"name": "cross-entropy", **recipe.losses["attributes"]}}
        self.losses = WeightedLosses(sections, ATTRIBUTE_LOSSES, counts=training_set.class_counts)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        # Checkpoints of earlier versions call the one loss `loss`.
        state = checkpoint["state_dict"]
        for name in [name for name in state if name.startswith("loss.")]:
            state[f"losses.attributes.{name.removeprefix('loss.')}"] = state.pop(name)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.model.recognise(inputs)
        known = batch.targets >= 0
        guesses = torch.stack([values.argmax(1) for values in probabilities(logits).values()], dim=1)
        right = ((guesses == batch.targets) & known).sum() / known.sum().clamp(min=1)
        self.log("train/accuracy", right, on_step=False, on_epoch=True, sync_dist=True)
        return self._losses(logits, batch)

    def _losses(self, logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return self.losses.weighed({label: loss(logits, batch.targets) for label, loss in self.losses.items()})

    def look(self, inputs: Tensor, batch: Batch) -> _Looked:
        logits = self.model.recognise(inputs)
        found = {name: values.cpu() for name, values in probabilities(logits).items()}
        loss = float(self._losses(logits, batch)["attributes"])
        return _Looked(found, batch.targets.cpu(), batch.index.cpu(), loss)

    def judge(self, looked: Sequence[_Looked]) -> None:
        schema = self.training_set.schema
        found = {name: torch.cat([batch.found[name] for batch in looked]).numpy() for name in schema.names}
        targets = torch.cat([batch.targets for batch in looked]).numpy()
        loss = np.average([batch.loss for batch in looked], weights=[len(batch.targets) for batch in looked])
        scores = score(found, targets, schema)
        figures = {
            "val/accuracy": scores.mean("accuracy"),
            "val/balanced": scores.mean("recall"),
            "val/loss": float(loss),
        }
        self.log_dict(figures, prog_bar=True, rank_zero_only=False)
        if self.recipe.validation.pictures:
            self._draw_errors(scores, found, targets, torch.cat([batch.positions for batch in looked]).tolist())

    @rank_zero_only
    def _draw_errors(
        self,
        scores: AttributeScores,
        found: dict[str, NDArray[np.float32]],
        targets: NDArray[np.int64],
        positions: list[int],
    ) -> None:
        self.picture("validation/confusion", charts.raster(confusion_chart(scores)))
        held_out = self.training_set.validation
        grids = confidence_grids([held_out[position] for position in positions], found, targets)
        for name, grid in zip(("most-confident", "least-confident"), grids.values(), strict=False):
            self.picture(f"validation/{name}", grid)
