"""Training of autoencoders, for any model that returns a Reconstruction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from resight.data.loaders import Batch, denormalise
from resight.data.training_set import TrainingSet
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import RecipeError
from resight.losses import RECONSTRUCTION_LOSSES
from resight.losses.base import Loss
from resight.models.abilities import Bounds, Embeds, ReadsLabels, Reconstructs
from resight.models.output import Reconstruction
from resight.recipe import ImageOptions, Recipe
from resight.tasks.reid.system import RetrievalSystem
from resight.views.grids import reconstructions

__all__ = ["LabelledReconstructionSystem", "ReconstructionSystem"]

_PICTURED = 8


class _Looked(NamedTuple):
    """What validation keeps of one batch."""

    retrieved: Any
    """What the validation by retrieval keeps; None where there is none."""
    images: int
    losses: dict[str, float]
    """Loss -> its weighted mean over the images."""
    drawn: tuple[Tensor, Tensor] | None
    """The images to draw and their reconstructions, of the first batch; None of the others."""


class ReconstructionSystem(RetrievalSystem):
    """Trains on the weighted sum of the recipe's losses. It needs no labels.

    Validation logs `val/loss` and each loss, and draws a few images with their reconstructions into the run folder
    (`reconstructions/epoch-003.png`) and the logs. Where the held-out images have identities and the model makes
    embeddings, it also searches by them and logs `val/mAP` and `val/rank-1`.
    """

    wants = (Reconstructs,)

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        self.losses = WeightedLosses(recipe.losses, RECONSTRUCTION_LOSSES)
        _check_pixels(recipe, model, self.losses)
        self.retrieves = bool(training_set.query) and isinstance(model, Embeds)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return self._losses(self.run_model(inputs, batch))

    def look(self, inputs: Tensor, batch: Batch) -> _Looked:
        retrieved = super().look(inputs, batch) if self.retrieves else None
        output = self.run_model(inputs, batch)
        losses = {name: float(value) for name, value in self._losses(output).items()}
        drawn = None
        if not self.looked:
            made = denormalise(output.made[:_PICTURED], self.recipe.image)
            drawn = batch.images[:_PICTURED].cpu(), made.cpu()
        return _Looked(retrieved, len(batch.images), losses, drawn)

    def judge(self, looked: Sequence[_Looked]) -> None:
        if self.retrieves:
            super().judge([batch.retrieved for batch in looked])
        sums: dict[str, float] = defaultdict(float)
        for batch in looked:
            for name, value in batch.losses.items():
                sums[name] += value * batch.images
        images = sum(batch.images for batch in looked)
        self.log_losses({name: value / images for name, value in sums.items()})
        if looked[0].drawn is not None:
            self._draw(*looked[0].drawn)

    def _losses(self, output: Reconstruction) -> dict[str, Tensor]:
        return self.losses.weighed({label: loss(*_read(output, loss, label)) for label, loss in self.losses.items()})

    def _draw(self, given: Tensor, made: Tensor) -> None:
        file = f"reconstructions/epoch-{self.current_epoch + 1:03d}.png"
        self.picture("reconstructions", reconstructions(given.numpy(), made.numpy()), file)


class LabelledReconstructionSystem(ReconstructionSystem):
    """The same for a model that reads the attribute classes of its images besides: `model.labels: true`."""

    learns = frozenset({"attributes"})

    def __init__(self, recipe: Recipe, model: nn.Module, training_set: TrainingSet) -> None:
        super().__init__(recipe, model, training_set)
        if not (isinstance(model, ReadsLabels) and model.classes):
            raise RecipeError("system labelled-reconstruction: the model takes no labels; give model.labels=true")

    def run_model(self, inputs: Tensor, batch: Batch) -> Reconstruction:
        return self.model(inputs, batch.targets)


def _read(output: Reconstruction, loss: Loss, label: str) -> list[Tensor]:
    fields = output._asdict()
    parts = [fields[name] for name in loss.reads]
    if any(part is None for part in parts):
        raise RecipeError(f"losses.{label} is for a variational autoencoder; leave it out, or change model.name")
    return parts


def _check_pixels(recipe: Recipe, model: nn.Module, losses: WeightedLosses) -> None:
    """Raises RecipeError where images, the reconstructions' bounds and a loss do not fit each other."""
    bounds = model.pixels if isinstance(model, Bounds) else None
    scaled = _scaled(recipe.image)
    if bounds is not None and not _within(scaled, bounds):
        wide = bounds[1] - bounds[0]
        mean, std = abs(bounds[0]) / wide, 1 / wide
        raise RecipeError(
            f"model.activation={recipe.model.get('activation')} makes pixels from {bounds[0]:g} to {bounds[1]:g}, and the "
            f"images are scaled to {scaled[0]:.3g} to {scaled[1]:.3g}; give image.mean={[mean] * 3} image.std={[std] * 3}"
        )
    for label, loss in losses.items():
        if loss.pixels is not None and (bounds is None or not _within(bounds, loss.pixels)):
            raise RecipeError(
                f"losses.{label} is for reconstructions from {loss.pixels[0]:g} to {loss.pixels[1]:g}; give "
                "model.activation=sigmoid, or take losses.reconstruction"
            )


def _scaled(image: ImageOptions) -> tuple[float, float]:
    """The least and the greatest value that a pixel of normalised images can have."""
    ends = [(shade - mean) / std for mean, std in zip(image.mean, image.std, strict=True) for shade in (0, 1)]
    return min(ends), max(ends)


def _within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return outer[0] - 1e-6 <= inner[0] and inner[1] <= outer[1] + 1e-6
