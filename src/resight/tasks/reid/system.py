"""Validation by retrieval: what every system that learns embeddings shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from resight.data.loaders import Batch, whole_groups
from resight.engine.system import System, weighted_losses
from resight.errors import RecipeError, did_you_mean
from resight.losses import LOSSES
from resight.models.output import ReidOutput
from resight.recipe import Recipe
from resight.recognizer import FeaturesAndAttributes, comparable, joined, metric_of
from resight.records import NO_CAMERA, AttributeSchema, Embeddings, Record, ReidDataset
from resight.retrieval import PROTOCOLS
from resight.tasks.reid.evaluation import Result, evaluate_embeddings
from resight.tasks.reid.pictures import drawn_queries, feature_space, hardest_queries, lists_of
from resight.views import charts
from resight.views.grids import ranked_lists

__all__ = ["EmbeddingSystem", "RetrievalSystem"]

_PICTURED, _PROJECTED = 6, 200
"""Queries whose lists are drawn, and images in the t-SNE: a second or two after each validation."""


class RetrievalSystem(System):
    """A system whose validation searches the held-out `gallery` with the held-out `query`: `val/mAP`, `val/rank-1`.

    It draws ranked lists of a few queries and of the hardest, and t-SNE, unless `validation.pictures` is false.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        query: Sequence[Record] = (),
        gallery: Sequence[Record] = (),
        schema: AttributeSchema = AttributeSchema(),  # noqa: B008  # immutable
    ) -> None:
        super().__init__(recipe, model, [*query, *gallery])
        self.metric = metric_of(recipe, schema)
        self.queries = len(query)
        self.protocol = recipe.retrieval.protocol or "market1501"
        if self.protocol not in PROTOCOLS:
            raise RecipeError(
                f"retrieval.protocol: no {self.protocol!r}{did_you_mean(self.protocol, PROTOCOLS)}; "
                f"there is: {', '.join(PROTOCOLS)}"
            )
        self._collected: list[FeaturesAndAttributes] = []
        self._positions: list[int] = []
        """Of what was collected, in the validation's records."""

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self.unreadable.update(batch.failed)
        if len(batch.images):
            features, attributes = comparable(self.model, self.recipe, self.prepare(batch))
            self._collected.append((features.cpu().numpy(), None if attributes is None else attributes.cpu().numpy()))
            self._positions += batch.index.tolist()

    def on_validation_epoch_end(self) -> None:
        # Each process embeds the whole validation set: the figure is the same on all, and the set is small.
        features, attributes = joined(self._collected)
        whole = Embeddings(features, [self.validation[position] for position in self._positions], attributes)
        first = int(np.searchsorted(self._positions, self.queries))
        query, gallery = whole.select(slice(first)), whole.select(slice(first, None))
        self._collected.clear()
        self._positions.clear()
        held_out = ReidDataset("validation")
        result = evaluate_embeddings(query, gallery, held_out, metric=self.metric, protocol=self.protocol)
        figures = {"val/mAP": result.mean_average_precision, "val/rank-1": float(result.cmc[0])}
        self.log_dict(figures, prog_bar=True, rank_zero_only=False)
        if self.recipe.validation.pictures:
            self._draw_lists(Result({"model": result}, query, gallery, self.metric, []))

    @rank_zero_only
    def _draw_lists(self, result: Result) -> None:
        drawn = drawn_queries(result, _PICTURED)
        if not len(drawn) or not np.isfinite(result.gallery.features).all():  # a training that diverged
            return
        self.picture("validation/ranked-lists", ranked_lists(lists_of(result, drawn)))
        self.picture("validation/hardest", ranked_lists(lists_of(result, hardest_queries(result, _PICTURED))))
        space = feature_space(result, _PROJECTED)
        if space is not None:
            self.picture("validation/feature-space", charts.raster(space))


class EmbeddingSystem(RetrievalSystem):
    """Total = sum over losses of weight × loss, each summed over the model's branches.

    `query` and `gallery` are the held-out identities that validation retrieves; both may be empty.
    """

    learns = frozenset({"identities"})

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        classes: int,
        query: Sequence[Record] = (),
        gallery: Sequence[Record] = (),
        training: Sequence[Record] = (),
    ) -> None:
        super().__init__(recipe, model, query, gallery)
        self.losses, self.weights = weighted_losses(recipe.losses, LOSSES, num_classes=classes, dim=model.dim)
        for label, loss in self.losses.items():
            if _group(loss) == 3 and recipe.sampler["name"] != "random-triplets":
                raise RecipeError(f"losses.{label}.mining: drawn takes the triplets of sampler.name=random-triplets")
            if getattr(loss, "needs_cameras", False) and all(record.camera == NO_CAMERA for record in training):
                raise RecipeError(f"losses.{label}.mining: this data has no camera labels; choose batch-hard")

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        output: ReidOutput = self.model(inputs)
        self.log(
            "train/accuracy",
            (output.logits[0].argmax(1) == batch.ids).float().mean(),
            on_step=False,
            on_epoch=True,
        )
        return {
            label: self.weights[label] * _over_branches(loss, getattr(output, str(loss.reads)), batch)
            for label, loss in self.losses.items()
        }

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        for module in self.losses.modules():
            if hasattr(module, "iterations"):  # mining that changes with the batches; once, for all branches
                module.iterations += 1  # type: ignore[operator,assignment]

    def apart(self) -> list[tuple[nn.Module, float]]:
        return [(loss, self.weights[label]) for label, loss in self.losses.items() if hasattr(loss, "own_optimiser")]


def _over_branches(loss: nn.Module, branches: Sequence[Tensor], batch: Batch) -> Tensor:
    ids, cameras = batch.ids, batch.cameras
    if _group(loss) > 1:
        rows = whole_groups(batch.places, _group(loss)).flatten()
        ids, cameras, branches = ids[rows], cameras[rows], [values[rows] for values in branches]
    return torch.stack([loss(values, ids, cameras) for values in branches]).sum()


def _group(loss: nn.Module) -> int:
    return getattr(loss, "group", 1)
