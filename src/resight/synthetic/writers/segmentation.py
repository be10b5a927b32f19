"""Pictures and masks for segmentation: `images/NAME.jpg` and `masks/NAME.png`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resight.synthetic.roster import Roster
from resight.synthetic.street import Street
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["LAYOUT"]


def _place(roster: Roster, seed: int) -> list[Entry]:
    names = [f"{s.identity:04d}_c{s.camera}_{s.role}{s.shot:03d}" for s in roster.sightings]
    pairs = zip(roster.sightings, names, strict=True)
    return [Entry(s, f"images/{name}.jpg", f"masks/{name}.png") for s, name in pairs]


def _annotate(root: Path, roster: Roster, entries: Sequence[Entry], street: Street) -> None:
    """Nothing to write: the masks are the annotation."""


LAYOUT = Layout(("people", "vehicles"), _place, _annotate, masked=True)
