"""A view: one camera's frames, and the boxes to cut from them; made of MOTChallenge's folders or of a video."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from resight.data.crops.boxes import Boxes, Chosen, read_boxes
from resight.data.crops.footage import Footage
from resight.data.crops.sequences import FrameFolder, boxes_of, find_sequences
from resight.data.crops.videos import Video

__all__ = ["View", "of_sequences", "of_video"]

Choice = Callable[[Boxes], Chosen]


@dataclass(frozen=True, eq=False)
class View:
    """One camera's frames, and the boxes to cut from them."""

    footage: Footage
    boxes: Boxes
    """Those that were chosen, in frames that there are."""
    camera: int
    sequence: int | None
    """Number of the sequence within the camera, where there are several."""
    left_out: dict[str, int]
    """Why -> boxes left out for it."""
    beyond: int
    """Frames, named by boxes, that are not at hand; their boxes are among those left out."""

    def digest(self, first: int | None = None) -> str:
        """SHA-256 of the boxes, or of the `first` ones: what is cut of them does not change while it is the same."""
        parts = (self.boxes.frames, self.boxes.tracks, self.boxes.places)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part[:first]).tobytes() for part in parts)).hexdigest()


def of_sequences(
    root: str | os.PathLike[str],
    choice: Choice,
    boxes: str | os.PathLike[str] | None = None,
    camera: int | None = None,
) -> tuple[list[View], list[str]]:
    """The views of a sequence's folder, or of all sequences in a folder, and a line for what is passed over.

    `boxes` as in `boxes_of`; `choice` chooses among them. Each sequence is a camera of its own, numbered from 1 by name;
    with `camera` all are sequences of that one.
    """
    sequences, passed = find_sequences(root)
    views = []
    for number, folder in enumerate(sequences, 1):
        place = (number, None) if camera is None else (camera, number if len(sequences) > 1 else None)
        views.append(_view(FrameFolder(folder), choice(read_boxes(boxes_of(folder, boxes))), *place))
    return views, passed


def of_video(
    path: str | os.PathLike[str],
    choice: Choice,
    boxes: str | os.PathLike[str],
    camera: int | None = None,
    first: int | None = None,
    sequence: int | None = None,
) -> View:
    """The view of a video, whose boxes are in a file of MOTChallenge's columns.

    `sequence` is its number within the camera, where that has several; `first` is the number that the boxes give the video's first frame: by default 1, and 0 where a box is in a frame 0.
    """
    given = read_boxes(boxes)
    if first is None:
        first = 0 if (given.frames == 0).any() else 1
    return _view(Video(path, first), choice(given), 1 if camera is None else camera, sequence)


def _view(footage: Footage, chosen: Chosen, camera: int, sequence: int | None) -> View:
    there = footage.holds(chosen.boxes.frames)
    left_out = dict(chosen.left_out)
    if not there.all():
        left_out["beyond the frames at hand"] = int((~there).sum())
    beyond = len(np.unique(chosen.boxes.frames[~there]))
    return View(footage, chosen.boxes.select(there), camera, sequence, left_out, beyond)
