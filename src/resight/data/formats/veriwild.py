"""VERI-Wild (Lou et al. 2019): vehicles seen by 174 cameras over a month, with model, type and colour.

ROOT holds `images/VEHICLE/IMAGE.jpg` and `train_test_split/` with `train_list.txt`, `test_3000.txt` and
`test_3000_query.txt` (or `_5000`, `_10000`), whose lines begin with `VEHICLE/IMAGE.jpg`, and `vehicle_info.txt`,
whose first line is `id/image;Camera ID;Time;Model;Type;Color`. Some copies call the lists `train_list_start0.txt`,
`test_3000_id.txt` and `test_3000_id_query.txt`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from resight.data.attributes import schema_of
from resight.data.formats._layout import has_folders, read_rows, require_folders, require_listed
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.records import Record, ReidDataset

__all__ = ["is_veriwild", "read_veriwild"]

_FOLDERS = ("images", "train_test_split")
_COLUMNS = 6


class _Info(NamedTuple):
    camera: int
    attributes: dict[str, str]


def read_veriwild(root: str | os.PathLike[str], vehicles: int = 3000) -> ReidDataset:
    """Read the folder that holds `images/` and `train_test_split/`, with the test set of so many vehicles.

    `read_veriwild("/data/VERI-Wild", 5000).query  # 5,000 records`

    Camera, model, type and colour come from `vehicle_info.txt`. Vehicles keep their numbers plus one, as 0 means a
    distractor elsewhere. Raises DataError for a missing folder or list, a line that does not parse, an image that is
    listed but not there, or not in `vehicle_info.txt`.
    """
    folder = require_folders(root, _FOLDERS, "veriwild")
    lists = folder / "train_test_split"
    known = _read_info(lists / "vehicle_info.txt")
    numbers = Numbers(lists, "vehicles")
    train, query, gallery = (
        _read_list(folder / "images", _present(lists, names), numbers, known)
        for names in (
            ("train_list.txt", "train_list_start0.txt"),
            (f"test_{vehicles}_query.txt", f"test_{vehicles}_id_query.txt"),
            (f"test_{vehicles}.txt", f"test_{vehicles}_id.txt"),
        )
    )
    return ReidDataset("veriwild", train, query, gallery, schema=schema_of([*train, *query, *gallery]))


def is_veriwild(root: Path) -> bool:
    """True when a folder has VERI-Wild's own folders or its `vehicle_info.txt`."""
    return has_folders(root, _FOLDERS) or (root / "train_test_split" / "vehicle_info.txt").is_file()


def _present(folder: Path, names: tuple[str, ...]) -> Path:
    """Path of the list by the first of `names` that exists; by the first name where none does."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def _read_list(images: Path, listing: Path, numbers: Numbers, known: dict[str, _Info]) -> list[Record]:
    # What follows the image differs between copies: nothing, or a label and a camera.
    names = [row[0].removesuffix(".jpg") for row in read_rows(listing, 1)]
    require_listed(images, [f"{name}.jpg" for name in names], listing)
    records = []
    for name in names:
        if name not in known:
            raise DataError(f"{listing}: {name} is not in vehicle_info.txt, which tells the cameras; unpack both again")
        vehicle = numbers(name.partition("/")[0], listing)
        path = os.path.join(images, f"{name}.jpg")
        records.append(Record(path, vehicle + 1, known[name].camera, attributes=known[name].attributes))
    return records


def _read_info(path: Path) -> dict[str, _Info]:
    shared: dict[tuple[str, ...], dict[str, str]] = {}  # One mapping for all images with the same attributes.
    known = {}
    cameras = Numbers(path, "cameras")
    for name, camera, _, *looks in read_rows(path, _COLUMNS, ";"):
        if name == "id/image":
            continue
        model, kind, color = looks[:3]
        values = {"model": model, "type": kind.lower(), "color": color.lower()}
        attributes = shared.setdefault((model, kind, color), {key: value for key, value in values.items() if value})
        known[name.removesuffix(".jpg")] = _Info(cameras(camera), attributes)
    return known
