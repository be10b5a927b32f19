"""CUHK03 (Li et al. 2014) under the new protocol (Zhong et al. 2017): 767 training and 700 test identities.

ROOT is the folder `detected` (boxes of a detector) or `labeled` (drawn by hand) of the archive and holds
`bounding_box_train/`, `query/` and `bounding_box_test/` with names `0001_c1_1.png`: identity, camera, image; further
numbers may follow. Images of the query's own camera are left out, as in Market-1501: this is not the older
single-shot protocol, which draws one gallery image of each identity at random.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from resight.data.formats._boxes import Naming, first_box, has_boxes, read_boxes
from resight.records import ReidDataset

__all__ = ["is_cuhk03np", "read_cuhk03np"]

_NAMING = Naming(
    "CUHK03-NP",
    re.compile(r"(?P<identity>\d+)_c(?P<camera>\d+)_\d+(?:_\d+)*\."),
    "0001_c1_1.png (identity, camera, image)",
)
_BOXES = ("detected", "labeled")


def read_cuhk03np(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the archive's folder `detected` or `labeled`, which holds `bounding_box_train/` and so on.

    `read_cuhk03np("/data/cuhk03-np/labeled").train  # 7,368 records, 767 identities`

    Raises DataError for a missing folder, a name that does not parse, or junk among the training images.
    """
    return ReidDataset("cuhk03np", *read_boxes(root, "cuhk03np", _NAMING))


def is_cuhk03np(root: Path) -> bool:
    """True when a folder, or its `detected` or `labeled`, has Market-1501's folders with CUHK03-NP's PNG files in them."""
    return any(_fits(folder) for folder in (root, *(root / name for name in _BOXES)))


def _fits(folder: Path) -> bool:
    # Other datasets are passed on under such names too, but as JPEG.
    name = first_box(folder)
    return has_boxes(folder) and name.lower().endswith(".png") and bool(_NAMING.pattern.match(name))
