"""A folder per identity: `ROOT/<identity>/*.jpg`, or `ROOT/{train,query,gallery}/<identity>/*.jpg`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from resight.data.formats._boxes import has_boxes
from resight.data.formats._numbering import Numbers, number_identities
from resight.data.images import image_names
from resight.errors import DataError
from resight.records import NO_CAMERA, Record, ReidDataset

__all__ = ["is_folders", "read_folders"]

_SPLITS = ("train", "query", "gallery")
# `0002_c1s1_000451.jpg`, `a-c3.png`; not the c of `pic12.jpg`.
_CAMERA = re.compile(r"(?<![A-Za-z0-9])c(\d+)")
# `a_C1.jpg`, `a_cam1.jpg`, `camera-1.jpg`.
_NEAR_CAMERA = re.compile(r"(?<![A-Za-z0-9])(?:c|cam|camera)[_-]?(\d+)", re.IGNORECASE)


def read_folders(root: str | os.PathLike[str]) -> ReidDataset:
    """Read identity folders: all of them training data, unless they lie in `train`, `query`, `gallery`.

    Folder names that are all whole numbers are the identities (`0` distractor, `-1` junk, neither in
    train); other names are numbered from 1 in sorted order, the same name being the same identity in every
    split. The camera is the number after `c` in the file's name (`0002_c1s1_000451.jpg`) when every name
    has one, else unknown; `C1`, `cam1` and `camera_1` are taken too, which the dataset's notes say.
    Raises DataError for a missing or empty folder, or an image outside any identity folder.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        what = "a file, not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; folders wants one folder per identity in it")
    images = {split: _read_identities(path) for split, path in _split_folders(folder).items()}
    flat = [(split, name, path) for split, found in images.items() for name, path in found]
    numbers = number_identities(
        {name for _, name, _ in flat},
        f"{folder}",
        train={name for split, name, _ in flat if split == "train"},
    )
    cameras, notes = _cameras(folder, [path for _, _, path in flat])
    records: dict[str, list[Record]] = {split: [] for split in _SPLITS}
    for (split, name, path), camera in zip(flat, cameras, strict=True):
        records[split].append(Record(path, numbers[name], camera))
    return ReidDataset(folder.resolve().name, records["train"], records["query"], records["gallery"], notes=notes)


def is_folders(root: Path) -> bool:
    """True when some folder in `root` holds images, or is called train, query or gallery."""
    if not root.is_dir() or has_boxes(
        root
    ):  # Market-1501's folders, with names of no known dataset, are not identities.
        return False
    inner = (child for child in sorted(root.iterdir()) if _is_identity(child))
    return any(child.name in _SPLITS or image_names(child) for child in inner)


def _split_folders(root: Path) -> dict[str, Path]:
    folders = {child.name for child in root.iterdir() if _is_identity(child)}
    present = [split for split in _SPLITS if split in folders]
    if not present:
        return {"train": root}
    others = sorted(folders.difference(_SPLITS))
    if others:
        raise DataError(
            f"{root / others[0]}: lies beside {', '.join(f'{split}/' for split in present)}; keep "
            "either identity folders or the folders train/, query/, gallery/ in one place"
        )
    return {split: root / split for split in present}


def _is_identity(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_dir()


def _read_identities(root: Path) -> list[tuple[str, str]]:
    """(folder name, image path) of every image in the identity folders of `root`."""
    loose = image_names(root)
    if loose:
        raise DataError(f"{root / loose[0]}: lies in no identity folder; move it into one or away")
    found: list[tuple[str, str]] = []
    for child in sorted(root.iterdir()):
        if not _is_identity(child):
            continue
        names = image_names(child)
        if not names:
            deeper = any(_is_identity(grandchild) for grandchild in child.iterdir())
            advice = "images lie directly in the identity's folder" if deeper else "remove it or fill it"
            raise DataError(f"{child}: no images directly in it; {advice}")
        found.extend((child.name, os.path.join(child, name)) for name in names)
    if not found:
        raise DataError(f"{root}: no identity folders in it; folders wants one folder of images per identity")
    return found


def _cameras(root: Path, paths: Sequence[str]) -> tuple[list[int], list[str]]:
    """A camera for each image, and what there is to say about them."""
    names = [os.path.basename(path) for path in paths]
    for pattern in (_CAMERA, _NEAR_CAMERA):
        matches = [match for name in names if (match := pattern.search(name))]
        if len(matches) == len(names):
            near = pattern is _NEAR_CAMERA
            notes = [f"cameras are taken from names such as {names[0]} ({matches[0][0]})"] if near else []
            numbers = Numbers(root, "cameras")
            return [numbers(match[1]) for match in matches], notes
    notes = [f"{len(matches)} of {len(names)} names have a camera (c1), not all, so none is taken"] if matches else []
    return [NO_CAMERA] * len(paths), notes
