"""MSMT17 (Wei et al. 2018): 4,101 people seen by fifteen cameras on four days.

ROOT holds `list_train.txt`, `list_val.txt`, `list_query.txt`, `list_gallery.txt` and the images: version 1 in `train/`
and `test/`, version 2, with faces blurred, in `mask_train_v2/` and `mask_test_v2/`. A list's line is
`0000/0000_045_12_0303morning_0006_2.jpg 0`: the image (person, number, camera, time, frame, box) and the person, who
is counted from 0 in the training and in the test half apart.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from resight.data.formats._layout import has_folders, read_rows, require_folders, require_listed
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.records import Record, ReidDataset

__all__ = ["is_msmt17", "read_msmt17"]

_LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
_VERSIONS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
_NAME = re.compile(r"(?:.*/)?\d+_\d+_(\d+)_[^_/]+_(\d+)[_.][^/]*")


def read_msmt17(root: str | os.PathLike[str], validation: bool = False) -> ReidDataset:
    """Read the folder that holds the four lists and the images, of either version.

    `read_msmt17("/data/MSMT17_V1").train  # 30,248 records, 1,041 identities`

    `validation=True` trains on `list_val.txt` too, more images of the same people (32,621 in all), as TransReID
    and others do; without it that list is left out, as in torchreid and FastReID. People are numbered from 1, those of
    the test half after those of the training half.
    Raises DataError for a missing folder or list, a line or name that does not parse, a listed image that is not there.
    """
    folder = Path(root).expanduser()
    train_folder, test_folder = _version(folder)
    _require_lists_beside_images(folder, (train_folder, test_folder))
    require_folders(folder, (train_folder, test_folder), "msmt17")
    cameras, trained, tested = Numbers(folder, "cameras"), Numbers(folder, "people"), Numbers(folder, "people")
    train = _read_list(folder / train_folder, folder / "list_train.txt", 1, trained, cameras)
    if validation:
        train += _read_list(folder / train_folder, folder / "list_val.txt", 1, trained, cameras)
    first = max(record.identity for record in train) + 1
    return ReidDataset(
        "msmt17",
        train,
        _read_list(folder / test_folder, folder / "list_query.txt", first, tested, cameras),
        _read_list(folder / test_folder, folder / "list_gallery.txt", first, tested, cameras),
    )


def is_msmt17(root: Path) -> bool:
    """True when a folder has one of MSMT17's lists (the reader then says what is missing)."""
    return any((root / name).is_file() for name in _LISTS)


def _version(root: Path) -> tuple[str, str]:
    """Names of the two image folders; where they lie one folder too deep, for the message that says so."""
    inner = [child for child in root.iterdir() if child.is_dir()] if root.is_dir() else []
    for place in (root, *inner):
        for pair in _VERSIONS:
            if has_folders(place, pair):
                return pair
    return _VERSIONS[0]


def _require_lists_beside_images(root: Path, folders: tuple[str, str]) -> None:
    inner = [child for child in sorted(root.iterdir()) if has_folders(child, folders)] if root.is_dir() else []
    if inner and is_msmt17(root) and not is_msmt17(inner[0]):
        raise DataError(
            f"{root}: its lists lie beside {inner[0].name}/, which holds the images; move them into {inner[0]}"
        )


def _read_list(folder: Path, listing: Path, first: int, people: Numbers, cameras: Numbers) -> list[Record]:
    rows = read_rows(listing, 2)
    require_listed(folder, [name for name, *_ in rows], listing)
    prefix = os.path.join(folder, "")
    records = []
    for name, person, *_ in rows:
        match = _NAME.fullmatch(name)
        if match is None:
            raise DataError(
                f"{listing}: {name!r} does not parse; MSMT17 names look like 0000/0000_045_12_0303morning_0006_2.jpg "
                "(person, number, camera, time, frame, box)"
            )
        records.append(Record(prefix + name, first + people(person, listing), cameras(match[1]), frame=int(match[2])))
    return records
