"""How well an autoencoder reconstructs images: an error for each, which also tells junk from people or vehicles."""

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
"""`error` is the mean squared error, the score of the VAE report. `relative` is the error divided by the image's detail,
since smooth images have small errors whatever they show."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Result:
    """Scores of the N images that could be read."""

    records: list[Record]
    scores: dict[str, NDArray[np.float32]]
    """Name of a score -> float32 [N]."""
    failed: list[str]
    """A line for each image that could not be read."""

    def summary(self) -> dict[str, dict[str, object]]:
        """Name of a score -> its mean, its quantiles and, where junk is labelled, ROC-AUC and average precision by kind."""
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
        """Kind of junk -> how well a score tells it from images that are no junk; empty where no image is labelled junk."""
        return junk_figures(self.records, self.scores[score])


def evaluate(model: Recognizer, dataset: ReidDataset, *, progress: Progress | None = None) -> Result:
    """Score the query and gallery images of a dataset, or the training images of a dataset that has neither.

    >>> evaluate(resight.load("runs/junk"), dataset).scores["error"]

    Raises DataError for a dataset without images, and what `reconstruction_scores` raises.
    """
    return reconstruction_scores(model, _images(dataset), progress=progress)


def count_images(model: Recognizer, dataset: ReidDataset) -> int:
    """The number of images that `evaluate` will process. Raises DataError for a dataset without images."""
    return len(_images(dataset))


def reconstruction_scores(model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None) -> Result:
    """Score each record's image. Images that cannot be read are left out and named.

    Raises RunError for a model that reconstructs no images, DataError when no image could be read.
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
