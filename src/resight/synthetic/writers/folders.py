"""A folder per identity, in `train/`, `query/` and `gallery/`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resight.synthetic.roster import Roster, Sighting
from resight.synthetic.street import Street
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["LAYOUT"]


def _place(roster: Roster, seed: int) -> list[Entry]:
    return [Entry(s, _path(s)) for s in roster.sightings]


def _path(s: Sighting) -> str:
    split = s.role if s.role in ("train", "query") else "gallery"
    who = {"junk": "-1", "distractor": "0"}.get(s.role, f"{s.identity:04d}")
    return f"{split}/{who}/{who}_c{s.camera}_{s.frame:06d}_{s.box:02d}.jpg"


def _annotate(root: Path, roster: Roster, entries: Sequence[Entry], street: Street) -> None:
    """Nothing to write: folder and file names hold all annotations."""


LAYOUT = Layout(("people", "vehicles"), _place, _annotate, masked=None)
