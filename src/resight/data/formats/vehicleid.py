"""VehicleID of Peking University (Liu et al. 2016): vehicles from the front or the back, without camera labels.

ROOT holds `image/` and `train_test_split/` with `train_list.txt` and `test_list_800.txt`, `_1600`, `_2400` (further
ones as shipped); a line is `0000001 1`, the image without its ending and the vehicle. `attribute/` names the model and
the colour of some vehicles.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from resight.data.attributes import schema_of
from resight.data.formats._layout import half_there, has_folders, read_rows, require_folders, require_listed
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.records import Record, ReidDataset

__all__ = ["is_vehicleid", "read_vehicleid"]

_FOLDERS = ("image", "train_test_split")
_ATTRIBUTES = ("color", "model")
_Attributes = Mapping[int, Mapping[str, str]]


def read_vehicleid(root: str | os.PathLike[str], vehicles: int = 800, draw: int = 0) -> ReidDataset:
    """Read the folder that holds `image/` and `train_test_split/`, with the test set of so many vehicles.

    `read_vehicleid("/data/VehicleID_V1.0", 1600).gallery  # 1,600 records, one a vehicle`

    One image of each test vehicle, drawn at random, is the gallery, and its others are queries. `draw` numbers the
    draw, the same on every machine; the literature reports the mean of ten (`draw` 0 to 9). Vehicles keep
    their numbers plus one, as 0 means a distractor elsewhere.
    Raises DataError for a missing folder or list, a line that does not parse, a listed image that is not there.
    """
    folder = require_folders(root, _FOLDERS, "vehicleid")
    listing = folder / "train_test_split" / f"test_list_{vehicles}.txt"
    attributes = _read_attributes(folder / "attribute")
    numbers = Numbers(folder / "train_test_split", "vehicles")
    test = _read_list(folder, listing, numbers, attributes)
    gallery = _draw(test, draw)
    train = _read_list(folder, folder / "train_test_split" / "train_list.txt", numbers, attributes)
    query = [record for position, record in enumerate(test) if position not in gallery]
    return ReidDataset(
        "vehicleid",
        train,
        query,
        [test[position] for position in sorted(gallery)],
        schema=schema_of([*train, *test]),
        protocol="vehicleid",
        notes=[
            note
            for attribute in _ATTRIBUTES
            for note in half_there(folder / "attribute", _files_of(attribute), f"no vehicle has a {attribute}")
        ],
    )


def is_vehicleid(root: Path) -> bool:
    """True when a folder has VehicleID's own folders or one of its test lists."""
    return has_folders(root, _FOLDERS) or any((root / "train_test_split").glob("test_list_*.txt"))


def _read_list(folder: Path, listing: Path, numbers: Numbers, attributes: _Attributes) -> list[Record]:
    rows = read_rows(listing, 2)
    require_listed(folder / "image", [f"{name}.jpg" for name, *_ in rows], listing)
    records, nothing = [], dict[str, str]()
    for name, text, *_ in rows:
        vehicle = numbers(text, listing)
        path = os.path.join(folder, "image", f"{name}.jpg")
        records.append(Record(path, vehicle + 1, attributes=attributes.get(vehicle, nothing)))
    return records


def _draw(test: list[Record], draw: int) -> set[int]:
    """Positions of one image of each vehicle."""
    positions = defaultdict(list)
    for position in sorted(range(len(test)), key=lambda position: test[position].path):
        positions[test[position].identity].append(position)
    random = np.random.RandomState(draw)  # NumPy promises that its numbers never change.
    return {found[random.randint(len(found))] for _, found in sorted(positions.items())}


def _files_of(attribute: str) -> tuple[str, str]:
    return f"{attribute}_names.txt", f"{attribute}_attr.txt"


def _read_attributes(folder: Path) -> dict[int, dict[str, str]]:
    """Vehicle -> model and colour, of the vehicles that have them; nothing where the folder is absent."""
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for attribute in _ATTRIBUTES:
        classes, vehicles = (folder / name for name in _files_of(attribute))
        if not vehicles.is_file():
            continue
        numbers = Numbers(vehicles, "vehicles")
        names = {row[-1]: " ".join(row[:-1]).lower() for row in read_rows(classes, 2)}
        for vehicle, label, *_ in read_rows(vehicles, 2):
            if label not in names:
                raise DataError(f"{vehicles}: {attribute} {label!r} has no name in {classes.name}")
            found[numbers(vehicle)][attribute] = names[label]
    return dict(found)
