"""`resight embed`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import EmbedderArgument, ForceOption, ImagesArgument
from resight.cli.footage import BoxesOption, CameraOption, CropsOption, EveryOption, SequenceOption, StartOption

if TYPE_CHECKING:
    import pyarrow as pa

    from resight.data.sharding import Shard
    from resight.embedding import Embedded
    from resight.recognizer import Recognizer
    from resight.records import Record
    from resight.tasks.tracklets.pooling import Pooled

__all__ = ["FailedOption", "JunkOption", "ShardOption", "TrackletsOption", "embed", "pooled", "say_pooled", "share_of"]

TrackletsOption = Annotated[
    bool,
    typer.Option(
        "--tracklets",
        help="One entry for each tracklet: the mean of its images, in which sharp ones count more; see `resight data crops`.",
    ),
]
JunkOption = Annotated[
    str | None,
    typer.Option(
        "--junk", metavar="RUN", help="Of --tracklets: leave out images that this run of `resight junk` calls junk."
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="N/COUNT",
        help="Only this share of the images, such as 3/8; by default what RANK and WORLD_SIZE say.",
    ),
]
FailedOption = Annotated[
    Path | None,
    typer.Option("--failed", metavar="FILE", help="Write the list of images that could not be read to this .txt."),
]


def embed(
    context: typer.Context,
    run: EmbedderArgument,
    images: ImagesArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Parquet file to write: path, identity, camera, feature; attribute_probabilities where RUN weighs them, "
            "tracklet_members with --tracklets. "
            "With --shard a folder, for a part file.",
        ),
    ],
    tracklets: TrackletsOption = False,
    junk: JunkOption = None,
    boxes: BoxesOption = None,
    crops: CropsOption = None,
    camera: CameraOption = None,
    sequence: SequenceOption = None,
    start: StartOption = None,
    every: EveryOption = 1,
    shard: ShardOption = None,
    failed: FailedOption = None,
    force: ForceOption = False,
) -> None:
    """Turn images into embeddings.

    `resight embed runs/street crops/ --out features.parquet`

    Features go to disk a piece at a time; memory grows by about a kilobyte an image, for names and labels. The file is
    there whole or not at all. Several machines, which see the images under the same paths, take a share each; one that was
    stopped is started again, and finished ones end at once:

    `resight embed runs/street crops/ --shard 3/8 --out parts`, then `resight gallery import parts --out gallery`

    Of a video the boxes of a tracker are cut first, into a folder beside the file; see `resight data crops`:

    `resight embed runs/street door.mp4 --boxes tracks.txt --out features.parquet`
    """
    from resight.cli.console import counted, images_of, name_failed, output, remark
    from resight.cli.destinations import replaced, require_file, require_folder, require_free
    from resight.cli.footage import cropped, crops_folder, require_boxes
    from resight.cli.options import needs
    from resight.data.sharding import Shard
    from resight.errors import none_readable
    from resight.gallery.transfer import origin_of
    from resight.recognizer import load
    from resight.records import features_written

    part = Shard.of(shard)
    if failed is not None:
        require_file(failed, (".txt",), "--failed")
    needs(context, ("junk",), "tracklets")
    require_boxes(context)
    folder = None if boxes is None else crops_folder(crops, str(out), images)
    if part is None:
        require_file(out, (".parquet",))
        target = out
        require_free(out, force)
    else:
        require_folder(out)
        target = out / part.file
        if target.exists() and not force:
            output().print(f"{target} is there already; --force makes it anew", markup=False)
            return
    model = load(run)
    model.tell = remark
    if boxes is None or folder is None:
        records = share_of(images_of(images), part, images)
    else:
        records = cropped(images, boxes, folder, camera=camera, sequence=sequence, start=start, every=every)
    anew = replaced(target)
    lines: list[str] = []
    count = 0
    with features_written(target, origin_of(model)) as write:
        for piece, beside in _pieces(model, records, tracklets, junk):
            lines += piece.failed
            count += len(piece.embeddings)
            if len(piece.embeddings):
                write(piece.embeddings, beside)
        if not count:
            raise none_readable(len(records), lines)
    name_failed(lines, listed=failed)
    weighed = f" and {model.schema.width} attribute probabilities" if model.weighs_attributes else ""
    made = counted(count, "entry", "entries") if tracklets else counted(count, "image")
    output().print(f"{made} × {model.width} numbers{weighed} -> {target}{anew}", markup=False)


def _pieces(
    model: Recognizer, records: list[Record], tracklets: bool, junk: str | None
) -> Iterator[tuple[Embedded, dict[str, pa.Array]]]:
    """What is written together, and columns beside it."""
    from resight.cli.console import progress
    from resight.embedding import Embedded, pieces
    from resight.gallery.transfer import members_of

    if tracklets:
        made, failed = pooled(model, records, junk)
        yield Embedded(made.embeddings, failed), members_of(made.members)
        return
    with progress("embedding", len(records)) as advance:
        yield from ((piece, {}) for piece in pieces(model, records, progress=advance))


def share_of(records: list[Record], shard: Shard | None, source: str) -> list[Record]:
    """The records of a share, or all. Raises DataError where a share has none."""
    from resight.cli.console import tell
    from resight.errors import DataError

    if shard is None:
        return records
    kept = shard.share(records)
    if not kept:
        raise DataError(f"{source}: share {shard} of {len(records)} images has none; make fewer shares")
    tell(f"share {shard}: {len(kept)} of {len(records)} images")
    return kept


def pooled(model: Recognizer, records: list[Record], junk: str | None) -> tuple[Pooled, list[str]]:
    """The records' tracklets embedded, one entry each, and a line for each image that cannot be read; says how many."""
    from resight.cli.console import progress
    from resight.errors import DataError, none_readable
    from resight.recognizer import load
    from resight.tasks.tracklets.pooling import entries_of, require_tracklets

    require_tracklets(records)
    judge = None if junk is None else load(junk)
    with progress("embedding", len(records) * (2 + (judge is not None))) as advance:
        made, failed = entries_of(model, records, judge, progress=advance)
    if len(failed) == len(records):
        raise none_readable(len(records), failed)
    if not len(made.embeddings):
        raise DataError("every image is junk, so no tracklet is left")
    say_pooled([made.counts], len(records) - len(failed))
    return made, failed


def say_pooled(counts: Sequence[tuple[int, int, int]], images: int) -> None:
    """Say how many tracklets so many images were pooled to, and what was left out, by `Pooled.counts`."""
    from resight.cli.console import counted, output

    tracklets, left_out, lost = map(sum, zip(*counts, strict=True))
    whole = counted(lost, "whole tracklet or image of none", "whole tracklets or images of none")
    gone = f", and with them {whole}" if lost else ""
    beside = f"; {counted(left_out, 'image is', 'images are')} junk and left out{gone}" if left_out else ""
    output().print(f"{counted(tracklets, 'tracklet')} of {counted(images, 'image')}{beside}", markup=False)
