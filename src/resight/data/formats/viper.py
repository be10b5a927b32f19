"""VIPeR (Gray et al. 2007): 632 people, each once in `cam_a/` and once in `cam_b/`, names `000_45.bmp`: person, angle.

The dataset has no split. Its literature draws half of the people for training, searches the other half's `cam_a` in
their `cam_b`, and reports the mean of ten draws.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from resight.data.formats._layout import has_folders, names_in, require_folders
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.records import Record, ReidDataset

__all__ = ["is_viper", "read_viper"]

_FOLDERS = ("cam_a", "cam_b")
_NAME = re.compile(r"(\d+)_\d+\.")


def read_viper(root: str | os.PathLike[str], draw: int = 0) -> ReidDataset:
    """Read the folder that holds `cam_a/` and `cam_b/`; half of the people, rounded down, are for training.

    `read_viper("/data/VIPeR").query  # 316 records of cam_a`

    `draw` numbers the draw of people, the same ones on every machine. People are numbered from 1, one more than
    their names say. Raises DataError for a missing folder, a name that does not parse, or a person without a pair.
    """
    folder = require_folders(root, _FOLDERS, "viper")
    people = Numbers(folder, "people")
    sides = [_read_side(folder / name, camera, people) for camera, name in enumerate(_FOLDERS, 1)]
    alone = sorted(sides[0].keys() ^ sides[1].keys())
    if alone:
        path = next(side[alone[0]].path for side in sides if alone[0] in side)
        raise DataError(
            f"{path}: this person is not in the other folder; VIPeR has one image of each in cam_a and cam_b"
        )
    # RandomState, because NumPy promises that its numbers never change.
    drawn = np.random.RandomState(draw).permutation(sorted(sides[0])).tolist()
    train, test = sorted(drawn[: len(drawn) // 2]), sorted(drawn[len(drawn) // 2 :])
    return ReidDataset(
        "viper",
        [side[person] for person in train for side in sides],
        [sides[0][person] for person in test],
        [sides[1][person] for person in test],
    )


def is_viper(root: Path) -> bool:
    """True when a folder has one of VIPeR's own folders (the reader then says what is missing)."""
    return any(has_folders(root, [name]) for name in _FOLDERS)


def _read_side(folder: Path, camera: int, people: Numbers) -> dict[int, Record]:
    records: dict[int, Record] = {}
    for name in names_in(folder):
        match = _NAME.match(name)
        if match is None:
            raise DataError(f"{folder / name}: name does not parse; VIPeR names look like 000_45.bmp (person, angle)")
        person = people(match[1]) + 1
        if person in records:
            raise DataError(f"{folder / name}: a second image of the person of {records[person].path}; VIPeR has one")
        records[person] = Record(os.path.join(folder, name), person, camera)
    return records
