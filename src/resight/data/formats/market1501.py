"""Market-1501 as its authors ship it (Zheng et al. 2015), with Lin et al. 2019's attributes when present.

ROOT holds `bounding_box_train/`, `query/`, `bounding_box_test/`. Names are `0002_c1s1_000451_03.jpg`:
identity, camera and sequence, frame, box. Identity `-1` is junk (the evaluation leaves it out), `0000` a
distractor (a wrong answer); both occur in `bounding_box_test` only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from resight.data.attributes import MARKET_SCHEMA, read_market_mat
from resight.data.formats._layout import has_folders, names_in, require_folders
from resight.errors import DataError
from resight.records import AttributeSchema, Record, ReidDataset

__all__ = ["is_market1501", "read_market1501"]

_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
_NAME = re.compile(r"(-1|\d+)_c(\d+)s(\d+)_(\d+)(?=[_.])")
# `market_attribute.mat` comes from a repository of its own, so people keep it in or beside the dataset.
_ATTRIBUTE_FILES = (
    "market_attribute.mat",
    "attribute/market_attribute.mat",
    "attributes/market_attribute.mat",
    "Market-1501_Attribute/market_attribute.mat",
    "../market_attribute.mat",
    "../Market-1501_Attribute/market_attribute.mat",
)

_Attributes = Mapping[int, Mapping[str, str]]


def read_market1501(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the folder that holds `bounding_box_train/`, `query/` and `bounding_box_test/`.

    `read_market1501("/data/Market-1501-v15.09.15").train  # 12,936 records, 751 identities`

    Attributes come from `market_attribute.mat` in, under or beside ROOT; without it records have none.
    Raises DataError for a missing folder, a name that does not parse, or junk among the training images.
    """
    folder = require_folders(root, _FOLDERS, "market1501")
    found = next((folder / name for name in _ATTRIBUTE_FILES if (folder / name).is_file()), None)
    train_attributes, test_attributes = read_market_mat(found) if found else ({}, {})
    train = _read_folder(folder / "bounding_box_train", train_attributes)
    bad = next((record for record in train if record.identity < 1), None)
    if bad:
        raise DataError(
            f"{bad.path}: identity {bad.identity} among the training images; only -1 and 0000 in "
            "bounding_box_test mean junk and distractor, so move the file there or remove it"
        )
    return ReidDataset(
        name="market1501",
        train=train,
        query=_read_folder(folder / "query", test_attributes),
        gallery=_read_folder(folder / "bounding_box_test", test_attributes),
        schema=MARKET_SCHEMA if found else AttributeSchema(),
    )


def is_market1501(root: Path) -> bool:
    """True when a folder has one of Market-1501's own names (the reader then says what is missing)."""
    return has_folders(root, ["bounding_box_train"]) or has_folders(root, ["bounding_box_test"])


def _read_folder(folder: Path, attributes: _Attributes) -> list[Record]:
    prefix = os.path.join(folder, "")
    nothing: dict[str, str] = {}
    records = []
    for name in names_in(folder):
        match = _NAME.match(name)
        if match is None:
            raise DataError(
                f"{prefix}{name}: name does not parse; Market-1501 names look like 0002_c1s1_000451_03.jpg "
                "(identity, camera, sequence, frame, box)"
            )
        identity, camera, sequence, frame = map(int, match.groups())
        known = attributes.get(identity, nothing)
        records.append(Record(prefix + name, identity, camera, frame, sequence, known))
    return records
