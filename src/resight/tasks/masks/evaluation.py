"""Compare a segmentation run's masks with a dataset's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.splits import held_out
from resight.errors import DataError
from resight.recognizer import Progress, Recognizer
from resight.records import Record, ReidDataset
from resight.tasks.masks.scores import MaskScores, mask_scores

__all__ = ["Segmentation", "Segmented", "compare_masks", "masked_images"]

Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segmented:
    """One set of images; masks are bool [N, height, width] at the size that the model works at."""

    records: list[Record]
    found: Masks
    true: Masks
    scores: MaskScores
    mean_mask: MaskScores
    """Those of one mask for all: where most of these images have their individual."""


@dataclass(frozen=True)
class Segmentation:
    """A run on a dataset; `splits` holds train, validation and test, as far as there are images of each."""

    splits: dict[str, Segmented]
    failed: list[str]

    @property
    def judged(self) -> Segmented:
        """The images to judge the model by: test, else validation, else what there is."""
        return next(self.splits[name] for name in ("test", "validation", "train", "all") if name in self.splits)


def compare_masks(
    model: Recognizer, dataset: ReidDataset, *, trained_here: bool, progress: Progress | None = None
) -> Segmentation:
    """Compare a model's masks (probability over 0.5) with a dataset's.

    >>> compare_masks(resight.load("runs/unet"), dataset, trained_here=True).splits["validation"].scores.mean_iou

    With `trained_here` the training images are split as the recipe did it; a dataset that the model has never seen is
    one set, `all`. Raises DataError when no image has a mask, RunError when the model makes none.
    """
    failed: list[str] = []
    splits = {
        name: _look(model, records, failed, progress)
        for name, records in masked_images(model, dataset, trained_here).items()
    }
    return Segmentation(splits, failed)


def masked_images(model: Recognizer, dataset: ReidDataset, trained_here: bool) -> dict[str, list[Record]]:
    """Records with a mask, by split. Raises DataError when there is none."""
    train = [record for record in dataset.train if record.mask is not None]
    test = [record for side in (dataset.query, dataset.gallery) for record in side if record.mask is not None]
    fitted, held = held_out(train, model.recipe.validation.ratio, model.recipe.seed) if train else ([], [])
    named = {"train": fitted, "validation": held, "test": test} if trained_here else {"all": train + test}
    splits = {name: records for name, records in named.items() if records}
    if not splits:
        raise DataError(f"{dataset.name}: no image has a mask; give masks:PATH or a manifest with a column mask")
    return splits


def _look(model: Recognizer, records: list[Record], failed: list[str], progress: Progress | None) -> Segmented:
    found, true, kept = [], [], []
    for batch in model.batches(records, masks=True, progress=progress):
        failed += batch.failed
        if len(batch.images):
            found.append(model.segment_batch(batch.images) > 0.5)
            true.append(batch.masks[:, 0].numpy() > 0)
            kept += [records[position] for position in batch.index.tolist()]
    if not kept:
        raise DataError(f"none of {len(records)} images could be used; {failed[0]}")
    ours, theirs = np.concatenate(found), np.concatenate(true)
    mean = np.broadcast_to(theirs.mean(0) > 0.5, theirs.shape)
    return Segmented(kept, ours, theirs, mask_scores(ours, theirs), mask_scores(mean, theirs))
