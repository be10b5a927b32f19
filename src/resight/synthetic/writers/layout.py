"""What a layout is: a name for each picture, and the annotation files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resight.synthetic.roster import Roster, Sighting
from resight.synthetic.street import Kind, Street

__all__ = ["Entry", "Layout"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture and its place, relative to the dataset's folder, with forward slashes."""

    sighting: Sighting
    image: str
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """One dataset's way of lying on a disk.

    `place` names the pictures (the seed is there for layouts that shuffle), `annotate` writes everything else
    into the folder once the pictures are there, `kinds` are the subjects that the layout can hold, and `masked`
    says that masks belong to it and are not asked for apart (None: it has no room for them).
    """

    kinds: tuple[Kind, ...]
    place: Callable[[Roster, int], list[Entry]]
    annotate: Callable[[Path, Roster, Sequence[Entry], Street], None]
    masked: bool | None = False
