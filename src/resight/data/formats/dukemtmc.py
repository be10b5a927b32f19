"""DukeMTMC-reID (Ristani et al. 2016, Zheng et al. 2017): people seen by eight cameras, in Market-1501's folders.

ROOT holds `bounding_box_train/`, `query/` and `bounding_box_test/` with names `0002_c1_f0044158.jpg`: identity,
camera, frame. Its distractors are identities with numbers of their own, of whom there is no query. Occluded-DukeMTMC
and other selections keep the names.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from resight.data.formats._boxes import Naming, first_box, has_boxes, read_boxes
from resight.records import ReidDataset

__all__ = ["is_dukemtmc", "read_dukemtmc"]

_NAMING = Naming(
    "DukeMTMC-reID",
    re.compile(r"(?P<identity>-1|\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)(?=[_.])"),
    "0002_c1_f0044158.jpg (identity, camera, frame)",
)


def read_dukemtmc(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the folder that holds `bounding_box_train/`, `query/` and `bounding_box_test/`.

    `read_dukemtmc("/data/DukeMTMC-reID").train  # 16,522 records, 702 identities`

    Raises DataError for a missing folder, a name that does not parse, or junk among the training images.
    """
    return ReidDataset("dukemtmc", *read_boxes(root, "dukemtmc", _NAMING))


def is_dukemtmc(root: Path) -> bool:
    """True when a folder has Market-1501's folders with DukeMTMC-reID's names in them."""
    return has_boxes(root) and bool(_NAMING.pattern.match(first_box(root)))
