"""A layout: a file name for each picture, and the annotation files."""

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
    """The files and folders of one dataset format.

    `kinds` are the subjects that the layout can hold. `place` names the pictures (the seed is for layouts that
    shuffle), and `annotate` writes all other files once the pictures are there. `masked` is True where masks always
    belong to the layout, False where they can be asked for, and None where it has no place for them.
    """

    kinds: tuple[Kind, ...]
    place: Callable[[Roster, int], list[Entry]]
    annotate: Callable[[Path, Roster, Sequence[Entry], Street], None]
    masked: bool | None = False
