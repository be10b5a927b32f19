"""Crops of boxes in videos and sequences: `resight data crops` makes them, `embed` and `index` on their way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from resight.data.crops.cutting import Cut
    from resight.data.crops.views import View
    from resight.records import Record

__all__ = [
    "BoxesOption",
    "CameraOption",
    "CropsOption",
    "EveryOption",
    "SequenceOption",
    "StartOption",
    "cropped",
    "crops_folder",
    "cut_views",
    "require_boxes",
]

BoxesOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="IMAGES is a video, or a sequence as MOTChallenge lays it out, and this a tracker's or detector's boxes in it: "
        "frame, track, left, top, width, height; of a sequence also gt or det. They are cut out first.",
    ),
]
CropsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Of --boxes: where the crops are kept, to be shown with hits.  [default: beside --out, NAME-crops/VIDEO]",
    ),
]
CameraOption = Annotated[
    int | None,
    typer.Option(min=0, help="Of --boxes: the camera's number.  [default: 1; of several sequences each its own]"),
]
SequenceOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Of --boxes: the video's number within its camera, where it has several, so that tracks differ."
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When the first frame was taken, as 2026-05-31T08:30:00; UTC unless it says otherwise."
    ),
]
EveryOption = Annotated[int, typer.Option(min=1, help="Cut every so many boxes of a track only.")]


def require_boxes(context: typer.Context) -> None:
    """Raises OptionError when an option for crops is given without --boxes, or --boxes with a share."""
    from resight.cli.options import given, needs
    from resight.data.sharding import Shard
    from resight.errors import OptionError

    needs(context, ("crops", "camera", "sequence", "start", "every"), "boxes")
    values = given(context)
    if values.get("boxes") is not None and Shard.of(values.get("shard")) is not None:
        raise OptionError("--shard is for images; cut the boxes first, by `resight data crops`")


def crops_folder(given: Path | None, out: str, images: str) -> Path:
    """Where the crops of a video go whose embeddings go to `out`. Raises OptionError where that must be said."""
    from resight.cli.destinations import require_folder
    from resight.errors import OptionError
    from resight.gallery.address import is_address

    if given is None and is_address(out):
        raise OptionError("a server keeps no pictures; say where those that hits are shown by go: --crops FOLDER")
    place, shown = Path(os.path.abspath(out)), Path(images).resolve()
    beside = place.parent / f"{place.stem if place.suffix.lower() == '.parquet' else place.name}-crops"
    folder = given or beside / (shown.name if shown.is_dir() else shown.stem)
    require_folder(folder, "--crops")
    return folder


def cropped(
    images: str,
    boxes: str,
    folder: Path,
    *,
    camera: int | None,
    sequence: int | None,
    start: str | None,
    every: int,
) -> list[Record]:
    """The crops of a video's or sequence's boxes, cut into a folder as far as they are not there yet."""
    from resight.cli.console import remark
    from resight.data.crops import views
    from resight.data.crops.boxes import Boxes, Chosen, choose
    from resight.errors import OptionError
    from resight.records import milliseconds

    begun = 0 if start is None else milliseconds(start)

    def choice(given: Boxes) -> Chosen:
        return choose(given, every=every)

    if Path(images).is_dir():
        if sequence is not None:
            raise OptionError("--sequence is for a video; of sequences each is a camera, or one of --camera's")
        found, passed = views.of_sequences(images, choice, boxes, camera)
        for line in passed:
            remark(line)
    else:
        found = [views.of_video(images, choice, boxes, camera, sequence=sequence)]
    made = cut_views(folder, found, start=begun)
    return [replace(record, path=os.path.abspath(record.path)) for cut in made for record in cut.records]


def cut_views(folder: Path, views: Sequence[View], **settings: Any) -> list[Cut]:
    """Cut boxes, with a bar of progress; names what was left out. `settings` as `write_crops` takes them."""
    from resight.cli.console import name_failed, progress, remark
    from resight.data.crops.cutting import write_crops

    with progress("cutting", sum(len(view.boxes) for view in views)) as advance:
        made = write_crops(folder, views, progress=advance, **settings)
    for view, cut in zip(views, made, strict=True):
        for line in _left_out(view, cut.outside):
            remark(line)
    name_failed([line for cut in made for line in cut.failed])
    return made


def _left_out(view: View, outside: int) -> list[str]:
    """A line that counts the boxes of a view that were not cut, by reason; none where all were."""
    counts = {**view.left_out, **({"outside the frame": outside} if outside else {})}
    if not counts:
        return []
    told = ", ".join(f"{count} {why}" for why, count in counts.items())
    frames = f" (of {view.beyond} frames)" if view.beyond else ""
    return [f"{view.footage.name}: boxes left out: {told}{frames}"]
