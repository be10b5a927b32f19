"""Market-1501's three folders, which other datasets have too: `bounding_box_train/`, `query/`, `bounding_box_test/`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from resight.data.formats._layout import has_folders, names_in, require_folders
from resight.data.formats._numbering import Numbers
from resight.data.images import image_names
from resight.errors import DataError
from resight.records import DISTRACTOR, Record

__all__ = ["Boxes", "Naming", "first_box", "has_boxes", "read_boxes"]

_BOX_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")

_Attributes = Mapping[int, Mapping[str, str]]
_NONE: _Attributes = {}
_Numbering = Mapping[str, Callable[[str], int]]


class Naming(NamedTuple):
    """How a dataset names its images. The groups of `pattern` are called identity, camera, frame and sequence."""

    dataset: str
    pattern: re.Pattern[str]
    example: str
    """A name and the meaning of its parts, for messages."""


class Boxes(NamedTuple):
    """Records of the three folders, in their order."""

    train: list[Record]
    query: list[Record]
    gallery: list[Record]


def has_boxes(root: Path) -> bool:
    """True when a folder has one of Market-1501's own folders (the reader then says what is missing)."""
    return has_folders(root, ["bounding_box_train"]) or has_folders(root, ["bounding_box_test"])


def first_box(root: Path) -> str:
    """Name of the first image in the three folders, by which datasets of this layout are told apart; "" if none."""
    folders = [root / name for name in _BOX_FOLDERS if (root / name).is_dir()]
    return next((names[0] for names in map(image_names, folders) if names), "")


def read_boxes(
    root: str | os.PathLike[str],
    layout: str,
    naming: Naming,
    train_attributes: _Attributes = _NONE,
    test_attributes: _Attributes = _NONE,
) -> Boxes:
    """Read the three folders of `root`; attributes are given by identity.

    Raises DataError for a missing folder, a name that does not parse, one number in two spellings (2 and 0002), or junk
    among the training images.
    """
    folder = require_folders(root, _BOX_FOLDERS, layout)
    people = Numbers(folder, "identities")
    numbers: _Numbering = {"identity": partial(_identity, people), "camera": Numbers(folder, "cameras")}
    train = _read_folder(folder / "bounding_box_train", naming, numbers, train_attributes)
    bad = next((record for record in train if record.identity < 1), None)
    if bad:
        raise DataError(
            f"{bad.path}: identity {bad.identity} among the training images; only -1 and 0000 in "
            "bounding_box_test mean junk and distractor, so move the file there or remove it"
        )
    return Boxes(
        train,
        _read_folder(folder / "query", naming, numbers, test_attributes),
        _read_folder(folder / "bounding_box_test", naming, numbers, test_attributes),
    )


def _identity(people: Numbers, text: str) -> int:
    # Junk and distractors are nobody, however they are spelt.
    return int(text) if int(text) <= DISTRACTOR else people(text)


def _read_folder(folder: Path, naming: Naming, numbers: _Numbering, attributes: _Attributes) -> list[Record]:
    prefix = os.path.join(folder, "")
    nothing: dict[str, str] = {}
    records = []
    for name in names_in(folder):
        match = naming.pattern.match(name)
        if match is None:
            raise DataError(f"{prefix}{name}: name does not parse; {naming.dataset} names look like {naming.example}")
        found = {part: numbers.get(part, int)(text) for part, text in match.groupdict().items()}
        frame, sequence = found.get("frame"), found.get("sequence")
        known = attributes.get(found["identity"], nothing)
        records.append(Record(prefix + name, found["identity"], found["camera"], frame, sequence, known))
    return records
