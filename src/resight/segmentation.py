"""Masks of images: compare a segmentation run's with a dataset's, or write them to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.data.splits import held_out
from resight.errors import DataError, ImageError, none_readable
from resight.files import written_whole
from resight.recognition import MaskScores, mask_scores
from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset

__all__ = ["Segmentation", "Segmented", "WrittenMasks", "compare_masks", "masked_images", "write_masks"]

Masks = NDArray[np.bool_]
Progress = Callable[[int], None]


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


class WrittenMasks(NamedTuple):
    """`images` is how many masks were written; `failed` has one line for each image that could not be read."""

    images: int
    failed: list[str]


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


def write_masks(
    folder: str | os.PathLike[str], model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None
) -> WrittenMasks:
    """Write a PNG of 0 and 255 for every record's image, of the image's own size, to the same place below `folder`.

    The place is counted from the deepest folder that holds all the images. Images that cannot be read are left out and
    named. Raises DataError when two masks would have one name, RunError when the model makes none.
    """
    places = _places(Path(folder), [record.path for record in records])
    written, failed = 0, []
    for start in range(0, len(records), model.recipe.loader.batch_size):
        chunk = range(start, min(start + model.recipe.loader.batch_size, len(records)))
        pictures = {}
        for position in chunk:
            try:
                pictures[position] = read_image(records[position].path)
            except ImageError as error:
                failed.append(str(error))
        for position, chances in zip(pictures, model.segment(list(pictures.values())), strict=True):
            _write(places[position], chances, pictures[position].shape[:2])
        written += len(pictures)
        if progress is not None:
            progress(len(chunk))
    if not written:
        raise none_readable(len(records), failed)
    return WrittenMasks(written, failed)


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


def _places(folder: Path, paths: list[str]) -> list[Path]:
    full = [os.path.abspath(path) for path in paths]
    base = os.path.commonpath([os.path.dirname(path) for path in full])
    places: dict[Path, str] = {}
    for path in full:
        place = (folder / os.path.relpath(path, base)).with_suffix(".png")
        if place in places:
            raise DataError(f"{places[place]} and {path} would both be {place}; give one of them another name")
        places[place] = path
    return list(places)


def _write(place: Path, chances: NDArray[np.float32], size: tuple[int, int]) -> None:
    # Enlarged before the threshold, so that outlines are smooth.
    whole = Image.fromarray(chances).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    mask = Image.fromarray(np.where(np.asarray(whole) > 0.5, 255, 0).astype(np.uint8))
    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as partial:
        mask.save(partial, format="PNG")
