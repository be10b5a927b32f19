"""Training of Bruna: a centroid loss with hard negatives that an adversary selects, and an attribute loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.data.loaders import Batch, whole_groups
from resight.data.samplers.items import OTHERS, SAME
from resight.data.training_set import TrainingSet
from resight.engine.optimisers import Apart, adam
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses import BRUNA_LOSSES
from resight.losses.bruna import other_distances, same_distances
from resight.models.abilities import Embeds, Recognises
from resight.models.output import AttributedFeature
from resight.models.selector import Selector
from resight.recipe import Recipe
from resight.tasks.reid.held_out import DrawnBatch, HeldOut, told_terms
from resight.tasks.reid.pictures import Pick, picks_picture
from resight.tasks.reid.system import RetrievalSystem, Retrieved

__all__ = ["BrunaSystem"]

_PICKED = 2
_PICTURED = 6


class _Looked(NamedTuple):
    """What validation keeps of one batch."""

    retrieved: Retrieved
    feature: Tensor
    codes: Tensor
    """What the selector's network made of the images, (batch, width)."""
    loss: float
    """The attribute loss."""


class _Play(NamedTuple):
    """One round of the two adversaries on some items."""

    predicted: Tensor
    """(items, 8): the distances that the selector predicts."""
    picked: Tensor
    """(items, 2): which it picks."""
    losses: dict[str, Tensor]
    figures: dict[str, Tensor]


class BrunaSystem(RetrievalSystem):
    """Trains on items of twelve images: four of one identity, and eight of others, of which a selector picks two.

    The selector sees the first of the four images beside each of the eight and predicts their distances; the two smallest
    are picked as hard negatives. The losses are `centroid`, on mean Euclidean distances of features (of each of the four to
    the mean of the other three, and to the two picked images); `attributes`, over all images of the batch; and
    `selector`, whose gradient reaches the selector alone. An item with an unreadable image is left out of `centroid` and
    `selector`. Validation logs `val/loss` and its terms likewise, on items of held-out people, which are the same ones each
    time, and the distances `val/d_same` and `val/d_other`. `selector_width` is the width of the `Selector`, `selector_rate` the learning rate of its own Adam.
    """

    learns = frozenset({"identities", "attributes"})
    wants = (Embeds, Recognises)

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        training_set: TrainingSet,
        selector_width: int = 16,
        selector_rate: float = 1e-3,
    ) -> None:
        super().__init__(recipe, model, training_set)
        self.selector, self.selector_rate = Selector(selector_width), selector_rate
        self.losses = WeightedLosses(recipe.losses, BRUNA_LOSSES, counts=training_set.class_counts)
        if recipe.sampler["name"] != "items":
            raise RecipeError(f"sampler.name = {recipe.sampler['name']!r}: the system bruna wants items")
        if not {"centroid", "selector"} <= self.losses.keys():
            raise RecipeError("losses: the system bruna wants centroid and selector, each with a weight")
        self.margin: float = self.losses["centroid"].margin  # type: ignore[assignment]
        self.held_out = HeldOut(recipe, training_set.validation)
        if training_set.validation:
            terms = [label for label in self.losses if label == "attributes" or self.held_out.drawn]
            self.notes.append(told_terms(terms, [*self.losses], bool(terms)))
        self._last: tuple[Tensor, ...] = ()
        """Of the first items of the last batch: positions of the images, predicted distances, positions of those picked."""

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        output: AttributedFeature = self.model(inputs)
        losses = {}
        if "attributes" in self.losses:
            losses["attributes"] = self.losses["attributes"](output.logits, batch.targets)
        items = _whole_items(batch)
        if len(items):
            rows = torch.from_numpy(items).to(inputs.device, non_blocking=True)
            losses |= self._adversaries(inputs, output.feature.float(), rows, batch)
        return self.losses.weighed(losses)

    def look(self, inputs: Tensor, batch: Batch) -> _Looked:
        output: AttributedFeature = self.model(inputs)
        loss = 0.0
        if "attributes" in self.losses:
            loss = float(self.losses["attributes"](output.logits, batch.targets))
        codes = self.selector.look(inputs).float().cpu()
        return _Looked(self.retrieved(inputs, batch, output), output.feature.float().cpu(), codes, loss)

    def judge(self, looked: Sequence[_Looked]) -> None:
        super().judge([batch.retrieved for batch in looked])
        features = torch.cat([batch.feature for batch in looked]).to(self.device)
        codes = torch.cat([batch.codes for batch in looked]).to(self.device)
        positions = [position for batch in looked for position in batch.retrieved[1]]
        found: dict[str, float] = {}
        if "attributes" in self.losses:
            images = [len(batch.feature) for batch in looked]
            found["attributes"] = float(np.average([batch.loss for batch in looked], weights=images))

        def values(batch: DrawnBatch) -> dict[str, Tensor]:
            items = batch.rows[torch.from_numpy(whole_groups(batch.places, SAME + OTHERS))].to(self.device)
            if not len(items):
                return {}
            play = self._play(self.selector.predict(codes[items[:, 0]], codes[items[:, SAME:]]), features, items)
            return {**play.losses, **play.figures}

        drawn = self.held_out.mean(positions, values)
        found |= {label: value for label, value in drawn.items() if label in self.losses}
        self.log_losses({label: self.losses.weights[label] * value for label, value in found.items()})
        self.log_dict({f"val/{name}": value for name, value in drawn.items() if name not in self.losses})

    def _adversaries(self, inputs: Tensor, features: Tensor, items: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The losses `centroid` and `selector` of whole items, whose images are the rows `items`, (items, 12)."""
        play = self._play(self.selector(inputs[items[:, 0]], inputs[items[:, SAME:]]), features, items)
        self.log_dict(
            {f"train/{name}": value for name, value in play.figures.items()},
            on_step=False,
            on_epoch=True,
            sync_dist=True,
        )
        self._remember(items, play.predicted, play.picked, batch)
        return play.losses

    def _play(self, predicted: Tensor, features: Tensor, items: Tensor) -> _Play:
        """What the distances that the selector predicts, (items, 8), make of items, whose images are the rows `items`."""
        picked = predicted.detach().topk(_PICKED, largest=False).indices
        same = features[items[:, :SAME]]
        others = features[items[:, SAME:].gather(1, picked)]
        d_same, each = same_distances(same).mean(1), other_distances(same, others)
        # A picked image is rightly told apart when it is farther from the four than they are from each other, by the margin.
        correct = (each > d_same[:, None] + self.margin).detach()
        figures = {"d_same": d_same, "d_other": each, "fooled": 1 - correct.float()}
        losses = {
            "centroid": self.losses["centroid"](d_same, each.mean(1)),
            "selector": self.losses["selector"](predicted.gather(1, picked), correct),
        }
        return _Play(predicted, picked, losses, {name: values.detach().mean() for name, values in figures.items()})

    def _remember(self, items: Tensor, predicted: Tensor, picked: Tensor, batch: Batch) -> None:
        """Keep the first items of the batch: the picture at the end of the epoch shows those of the last batch."""
        # They are kept as tensors: making lists would wait for the accelerator at every step.
        self._last = tuple(part[:_PICTURED].detach() for part in (batch.index[items[:_PICTURED]], predicted, picked))

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self._last:
            self.picture("picks", picks_picture(self._picks()))

    def _picks(self) -> list[Pick]:
        positions, predicted, picked = (part.tolist() for part in self._last)
        records = self.training_set.fitted
        paths = [[records[position].path for position in item] for item in positions]
        rows = zip(paths, predicted, picked, strict=True)
        return [Pick(images[:SAME], images[SAME:], guesses, chosen) for images, guesses, chosen in rows]

    def apart(self) -> list[Apart]:
        return [*super().apart(), Apart(self.selector, partial(adam, weight_decay=0.0), self.selector_rate)]


def _whole_items(batch: Batch) -> NDArray[np.int64]:
    """Rows of the batch by item, (items, 12), of the items whose images could all be read."""
    people = np.flatnonzero(~batch.junk)
    return people[whole_groups(batch.places[people], SAME + OTHERS)]
