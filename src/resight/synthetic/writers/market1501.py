"""Market-1501's layout: three folders of pictures, and `market_attribute.mat`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resight.synthetic.people import ATTRIBUTE_COLUMNS, LOWER_COLORS
from resight.synthetic.roster import Roster, Sighting
from resight.synthetic.street import Street
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["LAYOUT", "TEST_FIELDS", "TRAIN_FIELDS", "attribute_struct"]

_FREE_TEXT = 116
"""Bytes of free text in a MAT file's header (MAT-File Level 5 format, table 1-1)."""
_FOLDERS = {"train": "bounding_box_train", "query": "query"}

TEST_FIELDS = (*ATTRIBUTE_COLUMNS, "image_index")
"""Field order of `market_attribute.test`."""
TRAIN_FIELDS = (
    *("age", "backpack", "bag", "handbag"),
    *(f"down{color}" for color in sorted(LOWER_COLORS)),
    *(f"up{color}" for color in ("black", "blue", "green", "gray", "purple", "red", "white", "yellow")),
    *("clothes", "down", "up", "hair", "hat", "gender", "image_index"),
)
"""Field order of `market_attribute.train`, which differs."""
assert set(TRAIN_FIELDS) == set(TEST_FIELDS)


def _place(roster: Roster, seed: int) -> list[Entry]:
    return [Entry(s, f"{_FOLDERS.get(s.role, 'bounding_box_test')}/{_name(s)}") for s in roster.sightings]


def _name(sighting: Sighting) -> str:
    """`0002_c1s1_000451_03.jpg`: identity, camera and sequence, frame, box."""
    who = {"junk": "-1", "distractor": "0000"}.get(sighting.role, f"{sighting.identity:04d}")
    return f"{who}_c{sighting.camera}s{sighting.sequence}_{sighting.frame:06d}_{sighting.box:02d}.jpg"


def _annotate(root: Path, roster: Roster, entries: Sequence[Entry], street: Street) -> None:
    from scipy.io import savemat  # Slow to import, and the drawing processes never need it.

    halves = {
        "test": attribute_struct(roster.test, street, TEST_FIELDS),
        "train": attribute_struct(roster.train, street, TRAIN_FIELDS),
    }
    savemat(root / "market_attribute.mat", {"market_attribute": halves})
    with open(
        root / "market_attribute.mat", "r+b"
    ) as file:  # SciPy writes the time of day into the header's free text.
        file.write(b"MATLAB 5.0 MAT-file, written by resight data synthesize".ljust(_FREE_TEXT))


def attribute_struct(
    identities: Sequence[int], street: Street, fields: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """One half of `market_attribute`: 1×N doubles per column, and `image_index`, a 1×N cell of strings."""
    rows = [street.person(identity).attributes() for identity in identities]
    index = np.empty((1, len(identities)), object)
    index[0, :] = [f"{identity:04d}" for identity in identities]
    columns = {name: np.array([[row[name] for row in rows]], float) for name in fields if name != "image_index"}
    return {name: index if name == "image_index" else columns[name] for name in fields}


LAYOUT = Layout(("people",), _place, _annotate)
