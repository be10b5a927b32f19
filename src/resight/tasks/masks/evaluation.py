"""How well the masks of a segmentation run agree with those of a dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from resight.data.loaders import BAR, Batch
from resight.errors import DataError
from resight.recognizer import Progress, Recognizer
from resight.records import Record, ReidDataset
from resight.tasks.masks.scores import MaskScores, mask_scores
from resight.tasks.splits import by_split, first, judged

__all__ = ["Result", "Split", "count_images", "evaluate"]

Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """The masks of one split and their scores; masks are bool [N, height, width] of the size that the model works at.

    Where the model sees a letterbox, its bars are neither found nor true.
    """

    records: list[Record]
    found: Masks
    """Masks that the model predicts."""
    true: Masks
    """Masks of the dataset."""
    inside: Masks
    """Where the images are, without bars."""
    scores: MaskScores
    mean_mask: MaskScores
    """Scores of one mask for all images: the pixels that are in most of the true masks."""


@dataclass(frozen=True)
class Result:
    """Scores of a run on a dataset, for each of its splits that has images: train, validation, test, or all."""

    splits: dict[str, Split]
    failed: list[str]
    """A line for each image or mask that could not be read."""
    on: str | None = None
    """The split that was asked for, by which the model is judged; None where none was."""

    @property
    def judged(self) -> Split:
        """The split by which the model is judged: `on`, or by default test, else validation, else whatever there is."""
        return judged(self.splits, self.on)

    def summary(self) -> dict[str, dict[str, float]]:
        """Split -> the number of images and the mean scores over images, as plain numbers in [0, 1]."""
        return {
            name: {
                "images": len(split.records),
                "IoU": round(split.scores.mean_iou, 6),
                "Dice": round(split.scores.mean_dice, 6),
                "IoU of the mean mask": round(split.mean_mask.mean_iou, 6),
                "Dice of the mean mask": round(split.mean_mask.mean_dice, 6),
            }
            for name, split in self.splits.items()
        }


def evaluate(
    model: Recognizer,
    dataset: ReidDataset,
    *,
    trained_here: bool,
    on: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Compare the masks that a model predicts (pixels of a probability over 0.5) with those of a dataset.

    >>> evaluate(resight.load("runs/unet"), dataset, trained_here=True).splits["validation"].scores.mean_iou

    With `trained_here`, for a model that was trained on this dataset, training images are divided as its recipe divided
    them; otherwise the dataset is one split, `all`. `on` is the split by which the model is judged; it stands first. Raises DataError when
    no image, or none of that split, has a mask, RunError for a model that makes none.
    """
    splits, failed = {}, []
    for name, records in first(_splits(model, dataset, trained_here), on, dataset.name).items():
        splits[name], bad = _look(model, records, progress)
        failed += bad
    return Result(splits, failed, on)


def count_images(model: Recognizer, dataset: ReidDataset, *, trained_here: bool, on: str | None = None) -> int:
    """The number of images that `evaluate` will process. Raises DataError when none has a mask."""
    return sum(map(len, _splits(model, dataset, trained_here).values()))


def _splits(model: Recognizer, dataset: ReidDataset, trained_here: bool) -> dict[str, list[Record]]:
    splits = by_split(dataset, model.recipe, lambda record: record.mask is not None, trained_here)
    if not splits:
        raise DataError(f"{dataset.name}: no image has a mask; give masks:PATH or a manifest with a column mask")
    return splits


def _look(model: Recognizer, records: list[Record], progress: Progress | None) -> tuple[Split, list[str]]:
    def look(batch: Batch) -> tuple[Masks, Masks, Masks]:
        masks = batch.masks[:, 0].numpy()
        inside = masks != BAR
        return (model.segment_batch(batch.images) > 0.5) & inside, masks == 1, inside

    seen = model.see(records, look, masks=True, progress=progress)
    found, true, inside = (np.concatenate(parts) for parts in zip(*seen.found, strict=True))
    mean = (true.mean(0) > 0.5) & inside
    return Split(seen.records, found, true, inside, mask_scores(found, true), mask_scores(mean, true)), seen.failed
