"""Pairs of an image and its mask: `ROOT/images/NAME.jpg` and `ROOT/masks/NAME.png`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from resight.data.formats._layout import has_folders, names_in, require_folders
from resight.errors import DataError
from resight.records import Record, ReidDataset

__all__ = ["is_masks", "read_masks"]

_PAIR = ("images", "masks")
_TRAIN = "train"
_HELD_OUT = ("val", "test")


def read_masks(root: str | os.PathLike[str]) -> ReidDataset:
    """Read folder pairs: all of them training data, unless they lie in `train`, `val`, `test`.

    `read_masks("people")  # people/images/a.jpg with people/masks/a.png, or people/train/images/a.jpg with …`

    An image and its mask share their name up to the ending. Images of `val` and `test` are the gallery, which a
    segmentation run is evaluated on. Identities are unknown. Raises DataError for a folder that is missing or
    empty, or naming the first image without a mask, or mask without an image.
    """
    folder = Path(root).expanduser()
    train = folder / _TRAIN if (folder / _TRAIN).is_dir() else folder
    held_out = [folder / name for name in _HELD_OUT if (folder / name).is_dir()]
    return ReidDataset(
        folder.resolve().name, train=_pairs(train), gallery=[record for part in held_out for record in _pairs(part)]
    )


def is_masks(root: Path) -> bool:
    """True for a folder with `images` and `masks`, itself or in its `train`."""
    return has_folders(root, _PAIR) or has_folders(root / _TRAIN, _PAIR)


def _pairs(folder: Path) -> list[Record]:
    images, masks = (_by_stem(require_folders(folder, _PAIR, "masks") / name) for name in _PAIR)
    for one, other, what in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(one.keys() - other.keys())
        if alone:
            more = f" ({len(alone)} in all)" if len(alone) > 1 else ""
            wanted = folder / (_PAIR[1] if what == "mask" else _PAIR[0])
            raise DataError(f"{one[alone[0]]}: no {what} of this name in {wanted}{more}; add it or take the file away")
    return [Record(path, mask=masks[stem]) for stem, path in images.items()]


def _by_stem(folder: Path) -> dict[str, str]:
    names: Sequence[str] = names_in(folder)
    found: dict[str, str] = {}
    for name in names:
        stem = Path(name).stem
        if stem in found:
            raise DataError(f"{found[stem]} and {folder / name} differ in their ending only; a mask could be either's")
        found[stem] = os.path.join(folder, name)
    return found
