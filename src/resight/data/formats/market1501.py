"""Market-1501 as its authors ship it (Zheng et al. 2015), with Lin et al. 2019's attributes when present.

ROOT holds `bounding_box_train/`, `query/`, `bounding_box_test/`. Names are `0002_c1s1_000451_03.jpg`:
identity, camera and sequence, frame, box. Identity `-1` is junk (the evaluation leaves it out), `0000` a
distractor (a wrong answer); both occur in `bounding_box_test` only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from resight.data.attributes import MARKET_SCHEMA, read_market_mat
from resight.data.formats._boxes import Naming, first_box, has_boxes, read_boxes
from resight.records import AttributeSchema, ReidDataset

__all__ = ["is_market1501", "read_market1501"]

_NAMING = Naming(
    "Market-1501",
    re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)s(?P<sequence>\d+)_(?P<frame>\d+)(?=[_.])"),
    "0002_c1s1_000451_03.jpg (identity, camera, sequence, frame, box)",
)
# `market_attribute.mat` comes from a repository of its own, so people keep it in or beside the dataset.
_ATTRIBUTE_FILES = (
    "market_attribute.mat",
    "attribute/market_attribute.mat",
    "attributes/market_attribute.mat",
    "Market-1501_Attribute/market_attribute.mat",
    "../market_attribute.mat",
    "../Market-1501_Attribute/market_attribute.mat",
)


def read_market1501(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the folder that holds `bounding_box_train/`, `query/` and `bounding_box_test/`.

    `read_market1501("/data/Market-1501-v15.09.15").train  # 12,936 records, 751 identities`

    Attributes come from `market_attribute.mat` in, under or beside ROOT; without it records have none.
    Raises DataError for a missing folder, a name that does not parse, or junk among the training images.
    """
    folder = Path(root).expanduser()
    found = next((folder / name for name in _ATTRIBUTE_FILES if (folder / name).is_file()), None)
    attributes = read_market_mat(found) if found else ({}, {})
    boxes = read_boxes(folder, "market1501", _NAMING, *attributes)
    return ReidDataset("market1501", *boxes, schema=MARKET_SCHEMA if found else AttributeSchema())


def is_market1501(root: Path) -> bool:
    """True when a folder has Market-1501's folders, and its names where it has images."""
    name = first_box(root)
    return has_boxes(root) and (not name or bool(_NAMING.pattern.match(name)))
