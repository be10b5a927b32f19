"""Training of attribute recognition, for any model that can recognise attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from resight.losses.confusion import Confusion
from resight.models.abilities import Recognises
from resight.models.heads import probabilities
from resight.recipe import Recipe
from resight.records import Record
from resight.tasks.attributes.confidence import Confidence, confidence
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.scores import AttributeFigures, score
from resight.views import charts

__all__ = ["AttributeSystem"]


class _Looked(NamedTuple):
    """What validation keeps of one batch."""

    found: dict[str, Tensor]
    """Attribute -> probabilities (batch, classes)."""
    targets: Tensor
    """Class numbers (batch, attributes); -1 unknown."""
    shown: _Shown
    loss: float


class _Shown(NamedTuple):
    """What the pictures of confident images need of one batch."""

    positions: Tensor
    """Positions of the images among those trained on, or among the validation images, (batch,)."""
    junk: NDArray[np.bool_]
    """Whether a random part of the image was shown, (batch,)."""
    confidence: Confidence


class AttributeSystem(System):
    """Trains on one loss over all attributes of the training set: the recipe's section `losses.attributes`.

    Validation logs `val/accuracy` (mean over attributes), `val/balanced` (mean of their macro recalls) and `val/loss`.
    Unless `validation.pictures` is false, it draws confusion matrices and the most and the least confident images: of the
    validation images, and of those trained on in the epoch, as the network saw them then. Where processes train together,
    confusion matrices are of the images of all of them, confident images of the first one's.
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
        self.confusion = Confusion([len(classes) for classes in training_set.schema.classes.values()])
        self.shown: list[_Shown] = []
        """Of the batches of this epoch."""

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        # Checkpoints of earlier versions call the one loss `loss`.
        state = checkpoint["state_dict"]
        for name in [name for name in state if name.startswith("loss.")]:
            state[f"losses.attributes.{name.removeprefix('loss.')}"] = state.pop(name)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        logits = self.model.recognise(inputs)
        with torch.no_grad():
            found = probabilities(logits)
        seen = confidence(found, batch.targets)
        self.means.count("train/accuracy", seen.right.sum(), seen.known.sum(), len(batch.images))
        if self.recipe.validation.pictures:
            self.confusion.add(torch.stack([values.argmax(1) for values in found.values()], dim=1), batch.targets)
            self.shown.append(_Shown(batch.index, batch.junk, seen))
        return self._losses(logits, batch)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.confusion.clear()
        self.shown = []

    def _losses(self, logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return self.losses.weighed({label: loss(logits, batch.targets) for label, loss in self.losses.items()})

    def look(self, inputs: Tensor, batch: Batch) -> _Looked:
        logits = self.model.recognise(inputs)
        found = {name: values.cpu() for name, values in probabilities(logits).items()}
        targets, loss = batch.targets.cpu(), float(self._losses(logits, batch)["attributes"])
        shown = _Shown(batch.index.cpu(), batch.junk, confidence(found, targets))
        return _Looked(found, targets, shown, loss)

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
        if self.pictured:
            counts = self._total(self.confusion.counts).cpu().numpy()
            trained = {
                name: AttributeFigures(classes, counts[place, : len(classes), : len(classes)])
                for place, (name, classes) in enumerate(schema.classes.items())
            }
            self._draw("training", trained, self.training_set.fitted, self.shown)
            self._draw("validation", scores.attributes, self.training_set.validation, [one.shown for one in looked])

    @rank_zero_only
    def _draw(
        self,
        folder: str,
        attributes: Mapping[str, AttributeFigures],
        records: Sequence[Record],
        shown: Sequence[_Shown],
    ) -> None:
        self.picture(f"{folder}/confusion", charts.raster(confusion_chart(attributes)))
        if not shown:  # no image could be read
            return
        # The picture of an image of which a part was shown would show the whole image.
        whole = [torch.from_numpy(~one.junk) for one in shown]
        positions = torch.cat([one.positions.cpu()[rows] for one, rows in zip(shown, whole, strict=True)]).tolist()
        parts = [[part.cpu()[rows] for part in one.confidence] for one, rows in zip(shown, whole, strict=True)]
        found = Confidence(*map(torch.cat, zip(*parts, strict=True)))
        grids = confidence_grids([records[position] for position in positions], found)
        for name, grid in zip(("most-confident", "least-confident"), grids.values(), strict=False):
            self.picture(f"{folder}/{name}", grid)
