"""How well an autoencoder makes images anew: the error of each, which points at junk among images of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError, none_readable
from resight.recognizer import Progress, Recognizer
from resight.records import Record, ReidDataset

__all__ = ["SCORES", "Reconstructed", "images_to_reconstruct", "reconstruct"]

SCORES = ("error", "relative")
"""`error` is the mean squared error, on which the VAE report puts a threshold. `relative` is that divided by the image's
detail, for smooth images are reconstructed best whatever they show."""


class Reconstructed(NamedTuple):
    """`scores` of the images that could be read, score -> float32 [N]; `failed` has one line for each that could not."""

    records: list[Record]
    scores: dict[str, NDArray[np.float32]]
    failed: list[str]


def reconstruct(model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None) -> Reconstructed:
    """Errors of every record's image, batch by batch; images that cannot be read are left out and named.

    >>> reconstruct(resight.load("runs/junk"), dataset.gallery).scores["error"]

    `progress` is called with the number of images done since the last call. Raises RunError when the model
    reconstructs nothing, DataError when not one image could be read.
    """
    found: dict[str, list[NDArray[np.float32]]] = {score: [] for score in SCORES}
    kept, failed = [], []
    for batch in model.batches(records, progress=progress):
        if len(batch.images):
            errors = model.reconstruction_error_batch(batch.images)
            found["error"].append(errors)
            found["relative"].append(errors / model.detail_batch(batch.images))
        kept += [records[position] for position in batch.index.tolist()]
        failed += batch.failed
    if not kept:
        raise none_readable(len(records), failed)
    return Reconstructed(kept, {score: np.concatenate(parts) for score, parts in found.items()}, failed)


def images_to_reconstruct(dataset: ReidDataset) -> list[Record]:
    """Query and gallery, or the training images of a dataset that has neither. Raises DataError for an empty one."""
    records = [*dataset.query, *dataset.gallery] or list(dataset.train)
    if not records:
        raise DataError(f"{dataset.name} holds no images")
    return records
