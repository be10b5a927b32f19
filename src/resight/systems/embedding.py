"""Embedding learning: any model that returns a ReidOutput, under any sum of losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resight.data.loaders import Batch
from resight.errors import RecipeError
from resight.losses import LOSSES
from resight.models.output import ReidOutput
from resight.recipe import Recipe, make
from resight.records import Embeddings, Record
from resight.retrieval import evaluate
from resight.systems.base import System

__all__ = ["EmbeddingSystem"]


class EmbeddingSystem(System):
    """Total = sum over losses of weight × loss, each summed over the model's branches.

    `query` and `gallery` are the held-out identities that validation retrieves; both may be empty.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        classes: int,
        query: Sequence[Record] = (),
        gallery: Sequence[Record] = (),
    ) -> None:
        super().__init__(recipe, model, [*query, *gallery])
        self.queries = len(query)
        self.weights: dict[str, float] = {}
        self.losses = nn.ModuleDict()
        for label, section in recipe.losses.items():
            options = {"name": label, **section}
            weight = options.pop("weight", 1.0)
            if not isinstance(weight, int | float):
                raise RecipeError(f"losses.{label}.weight = {weight!r}: a number")
            if weight:  # a weight of 0 switches the loss off
                self.weights[label] = float(weight)
                self.losses[label] = make(LOSSES, options, f"losses.{label}", num_classes=classes, dim=model.dim)
        if not self.losses:
            raise RecipeError("losses: every weight is 0; give one loss a weight")
        self._collected: list[tuple[Tensor, Tensor]] = []

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        output: ReidOutput = self.model(inputs)
        self.log(
            "train/accuracy",
            (output.logits[0].argmax(1) == batch.ids).float().mean(),
            on_step=False,
            on_epoch=True,
        )
        return {
            label: self.weights[label]
            * sum(loss(value, batch.ids, batch.cameras) for value in getattr(output, str(loss.reads)))
            for label, loss in self.losses.items()
        }

    def apart(self) -> list[tuple[nn.Module, float]]:
        return [(loss, self.weights[label]) for label, loss in self.losses.items() if hasattr(loss, "own_optimiser")]

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.unreadable.update(batch.failed)
        if len(batch.images):
            self._collected.append((self.model(self.prepare(batch)).float().cpu(), batch.index.cpu()))

    def on_validation_epoch_end(self) -> None:
        # Each process embeds the whole validation set: the figure is the same on all, and the set is small.
        features = torch.cat([features for features, _ in self._collected])
        positions = torch.cat([index for _, index in self._collected]).tolist()
        self._collected.clear()
        if self.recipe.retrieval.metric == "cosine":
            features = F.normalize(features, dim=1)
        records = [self.validation[position] for position in positions]
        first = int(np.searchsorted(positions, self.queries))
        query = Embeddings(features[:first].numpy(), records[:first])
        gallery = Embeddings(features[first:].numpy(), records[first:])
        result = evaluate(
            query.features,
            gallery.features,
            query_ids=query.identities,
            gallery_ids=gallery.identities,
            query_cameras=query.cameras,
            gallery_cameras=gallery.cameras,
            metric=self.recipe.retrieval.metric,
        )
        figures = {"val/mAP": result.mean_average_precision, "val/rank-1": float(result.cmc[0])}
        self.log_dict(figures, prog_bar=True, rank_zero_only=False)
