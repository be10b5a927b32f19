"""How well an autoencoder makes images anew: the error of each, which points at junk among images of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.loaders import Batch
from resight.errors import DataError
from resight.recognizer import Progress, Recognizer
from resight.records import Record, ReidDataset
from resight.tasks.detection import JunkFigures, junk_figures

__all__ = ["QUANTILES", "SCORES", "Result", "count_images", "evaluate", "reconstruction_scores"]

SCORES = ("error", "relative")
"""`error` is the mean squared error, on which the VAE report puts a threshold. `relative` is that divided by the image's
detail, for smooth images are reconstructed best whatever they show."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Result:
    """Scores of the images that could be read."""

    records: list[Record]
    scores: dict[str, NDArray[np.float32]]
    """Score -> float32 [N]."""
    failed: list[str]
    """A line for each image that could not be read."""

    def summary(self) -> dict[str, dict[str, object]]:
        """Score -> mean, quantiles and, where junk is labelled, ROC-AUC and average precision of each kind."""
        return {
            score: {
                "images": len(values),
                "mean": float(values.mean()),
                "quantiles": {str(share): float(np.quantile(values, share)) for share in QUANTILES},
                "junk": {kind: figures._asdict() for kind, figures in self.junk(score).items()},
            }
            for score, values in self.scores.items()
        }

    def junk(self, score: str) -> dict[str, JunkFigures]:
        """How well a score points at images labelled junk, by its kind; empty where none is."""
        return junk_figures(self.records, self.scores[score])


def evaluate(model: Recognizer, dataset: ReidDataset, *, progress: Progress | None = None) -> Result:
    """Score a dataset's query and gallery, or the training images of a dataset that has neither.

    >>> evaluate(resight.load("runs/junk"), dataset).scores["error"]

    Raises as `reconstruction_scores` does, and DataError for a dataset without images.
    """
    return reconstruction_scores(model, _images(dataset), progress=progress)


def count_images(model: Recognizer, dataset: ReidDataset) -> int:
    """How many images `evaluate` will look at. Raises DataError for a dataset without images."""
    return len(_images(dataset))


def reconstruction_scores(model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None) -> Result:
    """The scores of every record's image; images that cannot be read are left out and named.

    Raises RunError when the model reconstructs nothing, DataError when not one image could be read.
    """

    def look(batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        errors = model.reconstruction_error_batch(batch.images)
        return errors, errors / model.detail_batch(batch.images)

    seen = model.see(records, look, progress=progress)
    scores = {score: np.concatenate(parts) for score, parts in zip(SCORES, zip(*seen.found, strict=True), strict=True)}
    return Result(seen.records, scores, seen.failed)


def _images(dataset: ReidDataset) -> list[Record]:
    records = [*dataset.query, *dataset.gallery] or list(dataset.train)
    if not records:
        raise DataError(f"{dataset.name} holds no images")
    return records
