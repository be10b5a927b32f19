"""Autoencoders: any model that returns a Reconstruction, under any sum of reconstruction losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor, nn

from resight.data.loaders import Batch, denormalise
from resight.engine.system import weighted_losses
from resight.errors import RecipeError
from resight.losses import RECONSTRUCTION_LOSSES
from resight.models.output import Reconstruction
from resight.recipe import Recipe
from resight.records import Record
from resight.tasks.reid.system import RetrievalSystem
from resight.views.grids import reconstructions

__all__ = ["LabelledReconstructionSystem", "ReconstructionSystem"]

_PICTURED = 8


class ReconstructionSystem(RetrievalSystem):
    """Total = sum over losses of weight × loss. Learns from the pixels alone.

    Validation gives `val/loss` and its parts, and draws a few images with their reconstructions into the run folder
    (`reconstructions/epoch-003.png`) and the logs. Where the held-out images have identities and the model embeds,
    it retrieves them by embedding as well: `val/mAP`, `val/rank-1`.
    """

    def __init__(
        self, recipe: Recipe, model: nn.Module, query: Sequence[Record] = (), gallery: Sequence[Record] = ()
    ) -> None:
        super().__init__(recipe, model, query, gallery)
        self.losses, self.weights = weighted_losses(recipe.losses, RECONSTRUCTION_LOSSES)
        self.retrieves = bool(query) and hasattr(model, "embed")
        self._sums: dict[str, float] = defaultdict(float)
        self._pictures: list[tuple[Tensor, Tensor]] = []

    def run_model(self, inputs: Tensor, batch: Batch) -> Reconstruction:
        return self.model(inputs)

    def step(self, inputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return self._weighted(self.run_model(inputs, batch))

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        if self.retrieves:
            super().validation_step(batch, batch_index)
        self.unreadable.update(batch.failed)
        if not len(batch.images):
            return
        output = self.run_model(self.prepare(batch), batch)
        self._sums["images"] += len(batch.images)
        for name, value in self._weighted(output).items():
            self._sums[name] += float(value) * len(batch.images)
        if not self._pictures:
            made = denormalise(output.made[:_PICTURED], self.recipe.image)
            self._pictures.append((batch.images[:_PICTURED].cpu(), made.cpu()))

    def on_validation_epoch_end(self) -> None:
        if self.retrieves:
            super().on_validation_epoch_end()
        images = self._sums.pop("images")
        parts = {f"val/{name}": value / images for name, value in self._sums.items()}
        self._sums.clear()
        self.log_dict({"val/loss": sum(parts.values()), **parts}, prog_bar=True, rank_zero_only=False)
        self._draw(*self._pictures.pop())

    def _weighted(self, output: Reconstruction) -> dict[str, Tensor]:
        return {label: self.weights[label] * loss(*_read(output, loss, label)) for label, loss in self.losses.items()}

    def _draw(self, given: Tensor, made: Tensor) -> None:
        file = f"reconstructions/epoch-{self.current_epoch + 1:03d}.png"
        self.picture("reconstructions", reconstructions(given.numpy(), made.numpy()), file)


class LabelledReconstructionSystem(ReconstructionSystem):
    """The same for a model that is told the classes of an image's attributes: `model.labels: true`."""

    learns = frozenset({"attributes"})

    def __init__(
        self, recipe: Recipe, model: nn.Module, query: Sequence[Record] = (), gallery: Sequence[Record] = ()
    ) -> None:
        super().__init__(recipe, model, query, gallery)
        if not getattr(model, "classes", None):
            raise RecipeError("system labelled-reconstruction: the model takes no labels; give model.labels=true")

    def run_model(self, inputs: Tensor, batch: Batch) -> Reconstruction:
        return self.model(inputs, batch.targets)


def _read(output: Reconstruction, loss: nn.Module, label: str) -> list[Tensor]:
    parts = [getattr(output, name) for name in loss.reads]  # type: ignore[union-attr]
    if any(part is None for part in parts):
        raise RecipeError(f"losses.{label} is for a variational autoencoder; leave it out, or change model.name")
    return parts
