"""Training of embeddings, and the validation by retrieval that all systems with embeddings share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.data.loaders import Batch, whole_groups
from resight.data.targets import JUNK_TARGET
from resight.data.training_set import TrainingSet
from resight.engine.processes import told_by_all
from resight.engine.system import System
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError, did_you_mean
from resight.losses import LOSSES
from resight.losses.base import Loss
from resight.losses.precision import full
from resight.models.abilities import Embeds, Recognises
from resight.models.output import ReidOutput
from resight.recipe import Recipe
from resight.recognizer import FeaturesAndAttributes, called_junk, comparable, joined, metric_of
from resight.records import NO_ATTRIBUTES, NO_CAMERA, Embeddings, ReidDataset
from resight.retrieval import PROTOCOLS, AttributeWeighted
from resight.tasks.reid.evaluation import Result, distance_between, evaluate_embeddings
from resight.tasks.reid.held_out import DrawnBatch, HeldOut, defined_terms, told_terms
from resight.tasks.reid.mining import last_batch
from resight.tasks.reid.pictures import drawn_queries, feature_space, hardest_queries, lists_of
from resight.views import charts
from resight.views.grids import ranked_lists

__all__ = ["EmbeddingSystem", "RetrievalSystem"]

_PICTURED, _PROJECTED = 6, 200
"""The number of queries whose lists are drawn, and of images in the t-SNE: they take a second or two at each validation."""


Retrieved = tuple[FeaturesAndAttributes, list[int]]
"""What validation by retrieval keeps of a batch: what is compared, and the images' positions."""


class RetrievalSystem(System):
    """A system that validates by searching the held-out gallery with the held-out queries: `val/mAP`, `val/rank-1`.

    Unless `validation.pictures` is false, it draws ranked lists of a few queries and of the hardest ones, and a t-SNE.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        self.metric = metric_of(recipe, training_set.schema if isinstance(model, Recognises) else NO_ATTRIBUTES)
        if recipe.retrieval.drop_junk and not (
            recipe.retrieval.metric == AttributeWeighted.name and JUNK_TARGET in training_set.schema.classes
        ):
            raise RecipeError("retrieval.drop_junk needs retrieval.metric=attribute-weighted and attributes.junk=true")
        self.protocol = recipe.retrieval.protocol or training_set.protocol
        if self.protocol not in PROTOCOLS:
            raise RecipeError(
                f"retrieval.protocol: no {self.protocol!r}{did_you_mean(self.protocol, PROTOCOLS)}; "
                f"there is: {', '.join(PROTOCOLS)}"
            )

    def look(self, inputs: Tensor, batch: Batch) -> Any:
        return self.retrieved(inputs, batch)

    def retrieved(self, inputs: Tensor, batch: Batch, output: Any = None) -> Retrieved:
        """Features and attributes that retrieval compares, and the images' positions among the validation images.

        `output` as in `resight.recognizer.comparable`.
        """
        features, attributes = comparable(self.model, self.recipe, inputs, output)
        return (features.cpu().numpy(), None if attributes is None else attributes.cpu().numpy()), batch.index.tolist()

    def judge(self, looked: Sequence[Any]) -> None:
        features, attributes = joined([found for found, _ in looked])
        positions = [position for _, places in looked for position in places]
        held_out = self.training_set.validation
        whole = Embeddings(features, [held_out[position] for position in positions], attributes)
        first = int(np.searchsorted(positions, len(self.training_set.query)))
        query, gallery = whole.select(slice(first)), whole.select(slice(first, None))
        junk = called_junk(gallery, self.training_set.schema) if self.recipe.retrieval.drop_junk else None
        result = evaluate_embeddings(
            query,
            gallery,
            ReidDataset("validation"),
            metric=distance_between(query, gallery, self.metric, junk),
            protocol=self.protocol,
            depth=self.recipe.retrieval.depth,
        )
        figures = {"val/mAP": result.mean_average_precision, "val/rank-1": float(result.cmc[0])}
        self.log_dict(figures, prog_bar=True, rank_zero_only=False)
        if self.pictured:
            self._draw_lists(Result({"model": result}, query, gallery, self.metric, [], junk))

    def log_losses(self, losses: Mapping[str, float]) -> None:
        """Log the validation loss and its terms, by label and weighted: `val/loss` is their sum."""
        if losses:
            figures = {"val/loss": sum(losses.values()), **{f"val/{label}": value for label, value in losses.items()}}
            self.log_dict(figures, prog_bar=True, rank_zero_only=False)

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


class _Looked(NamedTuple):
    """What validation keeps of one batch."""

    retrieved: Retrieved
    fields: dict[str, list[Tensor]]
    """Field of the output that the validation loss reads -> a tensor for each branch, on the CPU."""


class EmbeddingSystem(RetrievalSystem):
    """Trains on the weighted sum of the recipe's losses, each summed over the model's branches.

    Validation also logs `val/loss` and each of its terms: of the losses that people held out have, on batches of them that
    the recipe's sampler draws, the same ones each time.

    Unless `validation.pictures` is false, it draws what camera mining chose from in the first batch of the epochs 1, 2, 4,
    8, …: the bias decays with the number of batches, so that it halves from picture to picture.
    """

    learns = frozenset({"identities"})
    wants = (Embeds,)

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        self.losses = WeightedLosses(recipe.losses, LOSSES, num_classes=training_set.classes, dim=self.model.dim)
        blind = all(record.camera == NO_CAMERA for record in training_set.fitted)
        for label, loss in self.losses.items():
            if loss.group == 3 and recipe.sampler["name"] != "random-triplets":
                raise RecipeError(f"losses.{label}.mining: drawn takes the triplets of sampler.name=random-triplets")
            if loss.needs_cameras and blind:
                raise RecipeError(f"losses.{label}.mining: this data has no camera labels; choose batch-hard")

        self._index = torch.empty(0, dtype=torch.int64)
        """Positions of the images that the losses were last computed on."""
        self.terms = defined_terms(self.losses)
        self.held_out = HeldOut(recipe, training_set.validation)
        if training_set.validation:
            self.notes.append(told_terms([*self.terms], [*self.losses], bool(self.held_out.drawn)))
        if not self.held_out.drawn:
            self.terms = {}
        if training_set.validation and not self.terms and recipe.validation.monitor == "loss":
            raise RecipeError(f"validation.monitor=loss: {self.notes[-1]}; monitor mAP")

    def look(self, inputs: Tensor, batch: Batch) -> _Looked:
        output: ReidOutput = self.model(inputs)
        read = {name for loss in self.terms.values() for name in loss.reads}
        fields = {name: [branch.float().cpu() for branch in getattr(output, name)] for name in sorted(read)}
        return _Looked(self.retrieved(inputs, batch, output), fields)

    def judge(self, looked: Sequence[_Looked]) -> None:
        super().judge([batch.retrieved for batch in looked])
        if not self.terms:
            return
        positions = [position for batch in looked for position in batch.retrieved[1]]
        fields = {
            name: [torch.cat(parts) for parts in zip(*(batch.fields[name] for batch in looked), strict=True)]
            for name in looked[0].fields
        }

        def values(batch: DrawnBatch) -> dict[str, Tensor]:
            drawn = {name: [branch[batch.rows].to(self.device) for branch in found] for name, found in fields.items()}
            labels = batch.ids.to(self.device), batch.cameras.to(self.device)
            found = {label: _over_branches(loss, drawn, *labels, batch.places) for label, loss in self.terms.items()}
            return self.losses.weighed(found)

        self.log_losses(self.held_out.mean(positions, values))

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        fields, ids, cameras, places = self._whole(self.model(inputs)._asdict(), batch)
        self.figures["train/accuracy"] = (fields["logits"][0].argmax(1) == ids).float().mean()
        found = {label: _over_branches(loss, fields, ids, cameras, places) for label, loss in self.losses.items()}
        return self.losses.weighed(found)

    def _whole(
        self, fields: dict[str, tuple[Tensor, ...]], batch: Batch
    ) -> tuple[dict[str, tuple[Tensor, ...]], Tensor, Tensor, NDArray[np.int64]]:
        """Fields of the output, identities, cameras and places that the losses read: of all processes, where they gather."""
        self._index = batch.index
        if not self.gathers:
            return fields, batch.ids, batch.cameras, batch.places
        share = len(batch.images) + len(batch.failed)
        places = np.concatenate(told_by_all(batch.places + self.global_rank * share))
        ids, cameras, self._index = self.of_all(torch.stack([batch.ids, batch.cameras, batch.index], dim=1)).unbind(1)
        read = {"logits", *(name for loss in self.losses.values() for name in loss.reads)}
        whole = {name: tuple(self.of_all(full(branch)) for branch in fields[name]) for name in sorted(read)}
        return whole, ids, cameras, places

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_index)
        epoch = self.current_epoch + 1
        if batch_index == 0 and epoch & (epoch - 1) == 0 and self.recipe.validation.pictures:
            self._draw_mining(epoch)

    @rank_zero_only
    def _draw_mining(self, epoch: int) -> None:
        drawn = last_batch(self.losses.values(), [self.training_set.fitted[place] for place in self._index.tolist()])
        if drawn is not None:
            self.picture("mining", charts.raster(drawn), f"mining/epoch-{epoch:03}.png")


def _over_branches(
    loss: Loss, fields: Mapping[str, Sequence[Tensor]], ids: Tensor, cameras: Tensor, places: NDArray[np.int64]
) -> Tensor:
    """The value of a loss on the fields of a `ReidOutput`, summed over the branches.

    A loss on groups is of the groups without a missing image.
    """
    branches = list(zip(*(fields[name] for name in loss.reads), strict=True))
    if loss.group > 1:
        rows = torch.from_numpy(whole_groups(places, loss.group).ravel()).to(ids.device, non_blocking=True)
        ids, cameras = ids[rows], cameras[rows]
        branches = [tuple(values[rows] for values in branch) for branch in branches]
    return torch.stack([loss(*branch, ids, cameras) for branch in branches]).sum()
