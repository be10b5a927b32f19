"""Predict the masks of images and write them to files, for `resight predict`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.data.loaders import covered
from resight.errors import DataError, ImageError, none_readable
from resight.files import written_whole
from resight.recognizer import Progress, Recognizer
from resight.records import Record
from resight.tasks.written import Written, common_folder

__all__ = ["write_predictions"]


def write_predictions(
    folder: str | os.PathLike[str], model: Recognizer, records: Sequence[Record], *, progress: Progress | None = None
) -> Written:
    """Write the mask of each record's image into `folder`, as a PNG of 0 and 255 that has the image's size.

    A mask's path below `folder` is the image's path below the deepest folder that holds all images. Images that cannot
    be read are left out and named. Raises DataError when two masks would have the same path or no image could be read,
    RunError for a model that makes no masks.
    """
    places = _places(Path(folder), records)
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
            size = pictures[position].shape[:2]
            _write(places[position], chances[covered(size, model.recipe.image)], size)
        written += len(pictures)
        if progress is not None:
            progress(len(chunk))
    if not written:
        raise none_readable(len(records), failed)
    return Written(written, failed)


def _places(folder: Path, records: Sequence[Record]) -> list[Path]:
    base = common_folder(records)
    places: dict[Path, str] = {}
    for path in (os.path.abspath(record.path) for record in records):
        place = (folder / os.path.relpath(path, base)).with_suffix(".png")
        if place in places:
            raise DataError(f"{places[place]} and {path} would both be {place}; give one of them another name")
        places[place] = path
    return list(places)


def _write(place: Path, chances: NDArray[np.float32], size: tuple[int, int]) -> None:
    # Probabilities are enlarged before the threshold is applied, so that outlines are smooth.
    whole = Image.fromarray(chances).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    mask = Image.fromarray(np.where(np.asarray(whole) > 0.5, 255, 0).astype(np.uint8))
    place.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(place) as partial:
        mask.save(partial, format="PNG")
