"""Boxes in frames, as MOTChallenge writes them: `gt.txt`, `det.txt`, and the ten columns of a tracker's results.

A line is a box: `frame, track, left, top, width, height` and, as far as the file has them, `confidence` and more. Of nine
columns the last three are the truth's flag (0: to be ignored), class and visibility; DanceTrack writes the same. Of ten the
last three are coordinates in the world, which are not used. A track of -1 is none: a detection that nobody has followed.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError

__all__ = ["CLASSES", "NO_TRACK", "Boxes", "Chosen", "choose", "read_boxes"]

CLASSES = {
    1: "pedestrian",
    2: "person on a vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "other vehicle",
    7: "static person",
    8: "distractor",
    9: "occluder",
    10: "occluder on the ground",
    11: "full occluder",
    12: "reflection",
    13: "crowd",
}
"""Class number of MOT16, MOT17 and MOT20 -> what it is."""
NO_TRACK = -1
"""Track of a box that belongs to none."""

_COLUMNS = (6, 7, 8, 9, 10)
_OF_TRUTH = 9
_PEDESTRIAN = 1
_UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of one camera's frames; each array has one entry a box."""

    frames: NDArray[np.int64]
    """[N]: frame number, as the file counts."""
    tracks: NDArray[np.int64]
    """[N]: number of the track, NO_TRACK for none."""
    places: NDArray[np.float64]
    """[N, 4]: left, top, width and height in pixels; may reach over the frame's edge."""
    confidence: NDArray[np.float64]
    """[N]: a detector's score, or the truth's flag; 1 where the file has none."""
    classes: NDArray[np.int64]
    """[N]: number of the class, see CLASSES; -1 where the file has none."""
    visibility: NDArray[np.float64]
    """[N]: share of the box that is seen, from 0 to 1; 1 where the file has none."""
    truth: bool = False
    """Whether these are annotations, whose tracks are individuals, and not a detector's or tracker's."""

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """The boxes of some rows, given as a mask or as positions."""
        kept = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "truth"}
        return type(self)(**kept, truth=self.truth)


def read_boxes(path: str | os.PathLike[str]) -> Boxes:
    """Read a file of boxes in MOTChallenge's columns, separated by commas or blanks.

    >>> boxes = read_boxes("MOT17-02-FRCNN/gt/gt.txt")

    Annotations are told by nine columns, or by the name gt.txt. Raises DataError for a file that is missing or empty,
    has another number of columns, or a cell that is no number.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(
            f"{file}: {'a folder' if file.is_dir() else 'no such file'}; give a file of boxes, as gt/gt.txt"
        )
    cells = _cells(file)
    if cells.shape[1] not in _COLUMNS:
        raise DataError(
            f"{file}: {cells.shape[1]} columns; a line is frame, track, left, top, width, height and up to four more"
        )
    whole, count = _whole(file, cells[:, :2]), len(cells)
    truth = cells.shape[1] == _OF_TRUTH or (file.name == "gt.txt" and cells.shape[1] > 6)
    classed = cells.shape[1] in (8, _OF_TRUTH)
    return Boxes(
        frames=whole[:, 0],
        tracks=np.maximum(whole[:, 1], NO_TRACK),
        places=cells[:, 2:6],
        confidence=cells[:, 6] if cells.shape[1] > 6 else np.ones(count),
        classes=_whole(file, cells[:, 7]) if classed else np.full(count, _UNKNOWN),
        visibility=cells[:, 8] if cells.shape[1] == _OF_TRUTH else np.ones(count),
        truth=truth,
    )


@dataclass(frozen=True)
class Chosen:
    """The boxes to use, and how many others there are of each kind."""

    boxes: Boxes
    left_out: dict[str, int]
    """Why -> boxes left out for it, only where there are any."""


def choose(
    boxes: Boxes,
    classes: Collection[int] | None = None,
    min_visibility: float = 0.0,
    min_confidence: float | None = None,
    every: int = 1,
) -> Chosen:
    """The boxes of some classes, seen and sure enough; of each track its first box and every `every`-th after that.

    Of annotations without `classes`, those of pedestrians that are not flagged 0 (ignored regions); MOTChallenge flags
    everything but pedestrians, so with `classes` the flag is not asked. Raises DataError for classes of boxes that have
    none.
    """
    if classes is not None and len(boxes) and (boxes.classes == _UNKNOWN).all():
        raise DataError("these boxes have no classes (the eighth of nine columns); leave the classes out")
    kept, left_out = np.ones(len(boxes), bool), {}

    def drop(why: str, mask: NDArray[np.bool_]) -> None:
        if count := int((kept & mask).sum()):
            left_out[why] = count
        kept[mask] = False

    if boxes.truth and classes is None:
        drop("ignored", (boxes.confidence == 0) & np.isin(boxes.classes, (_PEDESTRIAN, 0, _UNKNOWN)))
    wanted = {_PEDESTRIAN, _UNKNOWN} if classes is None else set(classes)
    drop("of other classes", ~np.isin(boxes.classes, sorted(wanted)))
    drop("hidden", boxes.visibility < min_visibility)
    if min_confidence is not None and not boxes.truth:
        drop("unsure", boxes.confidence < min_confidence)
    usable: NDArray[np.bool_] = np.hstack((np.isfinite(boxes.places), boxes.places[:, 2:] > 0))
    drop("empty", np.asarray(~usable.all(axis=1)))
    drop("twice in a frame", _repeated(boxes, kept))
    drop("between", _between(boxes, kept, every))
    return Chosen(boxes.select(kept), left_out)


def _repeated(boxes: Boxes, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[N]: boxes of a track that has an earlier one in the same frame."""
    rows = np.flatnonzero(kept & (boxes.tracks != NO_TRACK))
    _, firsts = np.unique(np.stack((boxes.frames[rows], boxes.tracks[rows])), axis=1, return_index=True)
    repeated = np.zeros(len(boxes), bool)
    repeated[np.delete(rows, firsts)] = True
    return repeated


def _between(boxes: Boxes, kept: NDArray[np.bool_], every: int) -> NDArray[np.bool_]:
    """[N]: boxes that are not the first, 1 + every-th, … of their track; without a track, by the frame's number."""
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((boxes.frames[rows], boxes.tracks[rows]))]
    tracks = boxes.tracks[rows]
    starts = np.flatnonzero(np.diff(tracks, prepend=tracks[:1] - 1))
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    place = np.where(tracks == NO_TRACK, boxes.frames[rows] - 1, place)
    between = np.zeros(len(boxes), bool)
    between[rows] = place % every != 0
    return between


def _cells(file: Path) -> NDArray[np.float64]:
    """The numbers of the file, float64 [lines, columns]."""
    try:
        text = file.read_text(encoding="utf-8-sig").replace(",", " ")
    except UnicodeError:
        raise DataError(f"{file}: no text in UTF-8; give a file of boxes, as gt/gt.txt") from None
    rows = [line.split() for line in text.splitlines()]
    rows = [row for row in rows if row]
    if not rows:
        raise DataError(f"{file}: holds no boxes")
    odd = next((place for place, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if odd is not None:
        raise DataError(f"{file}: box {odd} has {len(rows[odd - 1])} columns, the first has {len(rows[0])}")
    try:
        return np.array(rows, np.float64)
    except ValueError as error:
        raise DataError(f"{file}: {error}; only numbers are expected") from None


def _whole(file: Path, cells: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers of frames, tracks or classes, which some trackers write as 1.0."""
    if not (np.isfinite(cells).all() and (cells == np.round(cells)).all()):
        raise DataError(f"{file}: frame, track and class are whole numbers; some here are not")
    return cells.astype(np.int64)
