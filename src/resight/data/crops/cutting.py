"""Cut boxes out of frames into a folder of crops, which a broken-off run goes on with.

```
crops/
  manifest.csv           path, identity, camera, frame, time, tracklet, split; written last
  crops.json             what was cut: how many boxes, their digests and the quality
  MOT17-02/0003/000001.jpg   the sequence's or video's name, the track, the frame
  MOT17-02/detections/000001-002.jpg   boxes without a track: the frame and the box in it
```
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.crops.boxes import NO_TRACK, Boxes
from resight.data.crops.views import View
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from resight.files import locked, written_whole
from resight.records import UNLABELLED, Record, ReidDataset, nameable

__all__ = ["MANIFEST", "Cut", "Identities", "cut", "write_crops"]

MANIFEST = "manifest.csv"
Identities = Literal["none", "own", "shared"]
"""Whose numbers tracks are: nobody's, individuals' of one sequence each, or the same individuals' in all sequences."""

_SETTINGS = "crops.json"
_FORMAT = 1
_END = b"\xff\xd9"  # of a JPEG file


@dataclass(frozen=True)
class Cut:
    """What was cut from one view."""

    records: list[Record]
    """Of the crops, in the order of the boxes."""
    outside: int
    """Boxes of which nothing lies within the frame."""
    failed: list[str]
    """A line for each frame that could not be read; its boxes are not cut."""


def cut(frame: NDArray[np.uint8], places: NDArray[np.float64]) -> Iterator[NDArray[np.uint8] | None]:
    """The pixels of boxes [N, 4] (left, top, width, height) in a frame; None where a box has none there.

    Boxes are rounded to pixels, and end at the frame's edge.
    """
    height, width = frame.shape[:2]
    edges = np.concatenate((places[:, :2], places[:, :2] + places[:, 2:]), axis=1)
    for left, top, right, bottom in np.clip(edges.round(), 0, (width, height, width, height)).astype(int):
        yield frame[top:bottom, left:right] if right > left and bottom > top else None


def write_crops(
    folder: str | os.PathLike[str],
    views: Sequence[View],
    *,
    quality: int = 95,
    identities: Identities = "none",
    split: Literal["train", "query", "gallery"] = "gallery",
    start: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Cut]:
    """Cut the boxes of views into JPEG files of a folder, and list them in its manifest.csv, as `manifest:` reads it.

    `start` is when the first frames were taken, in milliseconds since 1970 (UTC), 0 where that is not known. `progress`
    is called with the number of boxes done since the last call. Crops are whole or absent; those that are there are not
    cut again, so that a run that was broken off ends with the same files, and one whose boxes have grown, at the end of
    their file, cuts the new ones. Raises DataError when the folder holds crops of other boxes or anything else, when another process
    works in it, when a name is not UTF-8, and when there is nothing to cut.
    """
    folder = Path(folder)
    if unwritable := nameable([Record(name) for name in (str(folder), *(view.footage.name for view in views))])[1]:
        raise DataError(unwritable[0])
    if not any(len(view.boxes) for view in views):
        raise DataError("no box is left to cut; " + (_reasons(views) or "the files hold none"))
    with locked(folder, DataError):
        _prepare(folder, views, quality)
        made = [
            _cut_view(folder, view, numbers, quality, start, progress)
            for view, numbers in zip(views, _numbered(views, identities), strict=True)
        ]
        records = [record for found in made for record in found.records]
        if not records:
            raise DataError(f"{folder}: not one of the boxes could be cut; {next(_lines(made), 'all lie outside')}")
        write_manifest(folder / MANIFEST, ReidDataset(folder.name, **{split: records}))  # type: ignore[arg-type]
    return made


def _reasons(views: Sequence[View]) -> str:
    reasons = dict.fromkeys(why for view in views for why in view.left_out)
    return ", ".join(f"{sum(view.left_out.get(why, 0) for view in views)} are {why}" for why in reasons)


def _lines(made: Sequence[Cut]) -> Iterator[str]:
    return (line for found in made for line in found.failed)


def _prepare(folder: Path, views: Sequence[View], quality: int) -> None:
    """Say in the folder what is cut, and take away what a killed process left; see `write_crops` for what it raises."""
    file = folder / _SETTINGS
    boxes = {view.footage.name: {"count": len(view.boxes), "digest": view.digest()} for view in views}
    settings = {"format": _FORMAT, "quality": quality, "boxes": boxes}
    there = _settings(folder)
    if there is None and any(path.name != ".lock" for path in folder.iterdir()):
        raise DataError(f"{folder}: holds files, and no crops to go on with; choose another folder")
    if there is not None and not _goes_on(there, views, quality):
        raise DataError(
            f"{folder}: holds crops of other boxes, or of another quality; choose another folder, to `index` and `embed` by "
            "--crops FOLDER"
        )
    if there != settings:
        with written_whole(file) as partial:
            partial.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    for left in folder.glob("*/*/.*.partial.jpg"):
        left.unlink()


def _settings(folder: Path) -> Any:
    """What the folder says of itself; None where it says nothing."""
    file = folder / _SETTINGS
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    except (ValueError, OSError):
        raise DataError(f"{file}: damaged; cut into another folder") from None


def _goes_on(there: Any, views: Sequence[View], quality: int) -> bool:
    """Whether what a folder says of itself is true of these views, or was before their boxes grew."""
    try:
        same = (there["format"], there["quality"]) == (_FORMAT, quality)
        return (
            same
            and there["boxes"].keys() == {view.footage.name for view in views}
            and all(_begins(view, there["boxes"][view.footage.name]) for view in views)
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _begins(view: View, cut: Any) -> bool:
    """Whether a view's boxes are those that were cut, and perhaps more after them."""
    if isinstance(cut, str):  # of a version that noted the digest alone
        return bool(view.digest() == cut)
    return bool(cut["count"] <= len(view.boxes) and view.digest(cut["count"]) == cut["digest"])


def _numbered(views: Sequence[View], identities: Identities) -> Iterator[NDArray[np.int64]]:
    """For each view the identities of its boxes [N], from 1; UNLABELLED where there are none."""
    lowest = min((int(tracks.min()) for view in views if len(tracks := _tracks(view.boxes))), default=1)
    offset = 1 - min(1, lowest)
    for view in views:
        known = (view.boxes.tracks != NO_TRACK) & (identities != "none")
        yield np.where(known, view.boxes.tracks + offset, UNLABELLED)
        if identities == "own":
            offset += int(view.boxes.tracks.max(initial=0))


def _tracks(boxes: Boxes) -> NDArray[np.int64]:
    return boxes.tracks[boxes.tracks != NO_TRACK]


def _cut_view(
    folder: Path,
    view: View,
    identities: NDArray[np.int64],
    quality: int,
    start: int,
    progress: Callable[[int], None] | None,
) -> Cut:
    names = _names(view)
    there = _present(folder, names)
    if progress is not None:
        progress(int(there.sum()))
    outside, failed = 0, []
    rows_of = _rows_by_frame(view.boxes.frames, ~there)
    for frame, pixels in view.footage.pictures(list(rows_of)):
        rows = rows_of[frame]
        if isinstance(pixels, str):
            failed.append(pixels)
        else:
            for row, crop in zip(rows.tolist(), cut(pixels, view.boxes.places[rows]), strict=True):
                outside += crop is None
                there[row] = crop is not None
                if crop is not None:
                    _save(folder / names[row], crop, quality)
        if progress is not None:
            progress(len(rows))
    kept = np.flatnonzero(there).tolist()
    records = [_record(folder, view, row, names[row], int(identities[row]), start) for row in kept]
    return Cut(records, outside, failed)


def _names(view: View) -> list[str]:
    """Path of each box's crop within the folder."""
    inside = dict.fromkeys(view.boxes.frames.tolist(), 0)
    names = []
    for frame, track in zip(view.boxes.frames.tolist(), view.boxes.tracks.tolist(), strict=True):
        if track == NO_TRACK:
            inside[frame] += 1
            names.append(os.path.join(view.footage.name, "detections", f"{frame:06d}-{inside[frame]:03d}.jpg"))
        else:
            names.append(os.path.join(view.footage.name, f"{track:04d}", f"{frame:06d}.jpg"))
    return names


def _present(folder: Path, names: Sequence[str]) -> NDArray[np.bool_]:
    """[N]: whether the crop is there; not one that a power cut left without its end."""
    return np.array([_is_whole(folder / name) for name in names], bool)


def _is_whole(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:
        return False


def _rows_by_frame(frames: NDArray[np.int64], wanted: NDArray[np.bool_]) -> dict[int, NDArray[np.int64]]:
    """Frame -> the rows of its wanted boxes; frames ascending."""
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(frames[rows], kind="stable")]
    numbers, firsts = np.unique(frames[rows], return_index=True)
    return dict(zip(numbers.tolist(), np.split(rows, firsts[1:]), strict=True)) if len(rows) else {}


def _save(path: Path, crop: NDArray[np.uint8], quality: int) -> None:
    encoded = io.BytesIO()
    # Colours at full resolution: a crop is small, and clothes are known by them.
    Image.fromarray(np.ascontiguousarray(crop)).save(encoded, "JPEG", quality=quality, subsampling=0)
    with written_whole(path, durable=False) as partial:
        partial.write_bytes(encoded.getvalue())  # Pillow itself does not notice where a disk takes only a part


def _record(folder: Path, view: View, row: int, name: str, identity: int, start: int) -> Record:
    frame, track = int(view.boxes.frames[row]), int(view.boxes.tracks[row])
    since = view.footage.time(frame)
    return Record(
        os.path.join(folder, name),
        identity=identity,
        camera=view.camera,
        frame=frame,
        sequence=view.sequence,
        time=None if since is None else start + since,
        tracklet=None if track == NO_TRACK else track,
    )
