"""`resight index`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import GALLERY, EmbedderArgument, ImagesArgument
from resight.cli.embed import FailedOption, JunkOption, ShardOption, TrackletsOption
from resight.cli.footage import BoxesOption, CameraOption, CropsOption, EveryOption, SequenceOption, StartOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resight.gallery import Added, Gallery
    from resight.gallery.tracklets import Tracklet
    from resight.recognizer import Recognizer
    from resight.records import Record

__all__ = ["index"]


def index(
    context: typer.Context,
    run: EmbedderArgument,
    images: ImagesArgument,
    out: Annotated[str, typer.Option("--out", metavar="GALLERY", help=f"{GALLERY}; an existing gallery is added to.")],
    attributes: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Attribute run; the attributes that it recognises are stored with each image, and how sure it is.",
        ),
    ] = None,
    drop_junk: Annotated[
        bool,
        typer.Option(
            "--drop-junk", help="Leave out images that the attribute run (or RUN, if it knows junk) calls junk."
        ),
    ] = False,
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
) -> None:
    """Embed images into a gallery that can be searched.

    `resight index runs/street crops/ --out gallery`

    A table of a PostgreSQL server with pgvector is a gallery too; see docs/scale.md:

    `resight index runs/street crops/ --out "postgresql://me@db.example/crops?table=street"`

    Some thousand images at a time are on disk for good: stopped and started again, it goes on where it was, and images
    that are there already are not embedded again, unless their file has changed: its size or its date. What was given to
    such an image, a name or an identity, stays. Images that cannot be read are named at the end; only where that is all
    of them does it end with status 2.

    With `--attributes runs/attributes` each image is stored with its recognised attributes, and `--drop-junk` leaves out
    those recognised as junk. With `--tracklets` a tracklet is found as one image, its best; run again, those that have
    grown are embedded again, each in the place of its entry. `--shard 3/8` adds a share of the images to a gallery on a
    server; for one in a folder, embed the shares and import the parts: `resight embed`.

    A video and a tracker's boxes in it, or a sequence of frames, are cut first, into a folder beside the gallery:

    `resight index runs/street door.mp4 --boxes tracks.txt --start 2026-05-31T08:30:00 --tracklets --out gallery`

    Stopped, or with a file of boxes that has more lines at its end, it goes on where it was. What else can be chosen
    among boxes, `resight data crops` knows; it writes a manifest, which is indexed as `manifest:FILE`.
    """
    from resight.cli.console import images_of, name_failed, output, progress
    from resight.cli.destinations import require_file, require_folder
    from resight.cli.embed import share_of
    from resight.cli.footage import cropped, crops_folder, require_boxes
    from resight.cli.options import needs
    from resight.data.sharding import Shard
    from resight.gallery import Gallery
    from resight.gallery.address import is_address
    from resight.gallery.stores import store_exists

    if not is_address(out):
        require_folder(Path(out))
    if failed is not None:
        require_file(failed, (".txt",), "--failed")
    needs(context, ("junk",), "tracklets")
    require_boxes(context)
    folder = None if boxes is None else crops_folder(crops, out, images)
    part = Shard.of(shard)
    there = store_exists(out)
    gallery = Gallery.open(out, model=run) if there else Gallery.create(out, model=run, empty=False)
    if boxes is None or folder is None:
        records = share_of(images_of(images), part, images)
    else:
        records = cropped(images, boxes, folder, camera=camera, sequence=sequence, start=start, every=every)
    judge = _judge(attributes or run, drop_junk) if attributes is not None or drop_junk else None
    if tracklets:
        added = _add_tracklets(gallery, judge, records, drop_junk, junk)
        name_failed(added.failed, listed=failed)
        output().print(f"{_said(added, 'entry', 'entries')}, {len(gallery)} in {gallery.where}", markup=False)
        return
    with progress("indexing", len(records)) as advance:
        if judge is None:
            added = gallery.add(records, progress=advance)
        else:
            added = _recognised(gallery, judge, records, drop_junk, advance)
    name_failed(added.failed, listed=failed)
    output().print(
        f"{_said(added, 'image', 'images')}, {len(gallery)} in {gallery.where}\n"
        f"next: {shlex.join(['resight', 'search', gallery.where])} QUERY.jpg",
        markup=False,
    )


def _said(added: Added, one: str, several: str) -> str:
    """What was added, in words."""
    from resight.cli.console import counted

    changed = counted(added.renewed, f"changed {one}", f"changed {several}")
    renewed = f", {changed} embedded again" if added.renewed else ""
    there = f" ({counted(added.known, 'was', 'were')} there already)" if added.known else ""
    return f"{counted(added.count, one, several)} added{renewed}{there}"


def _judge(run: str, drop_junk: bool) -> Recognizer:
    """The run that recognises attributes. Raises DataError where it is to tell junk and cannot."""
    from resight.cli.console import remark
    from resight.errors import DataError
    from resight.recognizer import load

    model = load(run)
    model.tell = remark
    if drop_junk and "junk" not in model.schema.names:
        raise DataError(
            f"{run} does not know junk; give --attributes RUN, a run of attributes-resnet18 or with attributes.junk=true"
        )
    return model


def _recognised(
    gallery: Gallery, judge: Recognizer, records: list[Record], drop_junk: bool, advance: Callable[[int], None]
) -> Added:
    """Add images with their attributes, a piece at a time, each looked at once more."""
    from resight.cli.console import counted, output
    from resight.embedding import PIECE
    from resight.errors import DataError, none_readable
    from resight.gallery import Added
    from resight.gallery.rows import ids_of
    from resight.tasks.attributes.prediction import annotate

    new = gallery.unknown(records)
    known = len(records) - len(new)
    advance(known)
    count, renewed, seen, junk, gone, failed = 0, 0, 0, 0, 0, list[str]()
    for start in range(0, len(new), PIECE):
        found = annotate(judge, new[start : start + PIECE])
        kept, dropped = _divided(found.records, drop_junk)
        failed += found.failed
        seen += len(found.records)
        junk += len(dropped)
        if dropped and len(gallery):
            gone += gallery.delete(ids_of(dropped))
        advance(len(found.failed) + len(dropped))
        if kept:
            added = gallery.add(kept, sure=found.sure, progress=advance)
            count, known, renewed = count + added.count, known + added.known, renewed + added.renewed
            failed += added.failed
    if failed and not (seen or known):
        raise none_readable(len(failed), failed)
    if drop_junk:
        _say_junk(junk, seen)
    if gone:
        told = counted(gone, "of them is an image", "of them are images")
        output().print(f"{told} of the gallery whose file has changed: not in it any more", markup=False)
    if not (count or known or renewed):
        raise DataError("no image is left to index")
    return Added(count, failed, known, renewed)


def _add_tracklets(
    gallery: Gallery, judge: Recognizer | None, records: list[Record], drop_junk: bool, junk: str | None
) -> Added:
    """Add an entry for each tracklet that has none or has changed, some thousand images at a time."""
    from resight.cli.console import progress
    from resight.recognizer import load
    from resight.tasks.tracklets.pooling import members, require_tracklets

    require_tracklets(records)
    made = _Entries(gallery, judge, None if junk is None else load(junk), drop_junk)
    whole = members(records)
    due = gallery.due_tracklets(whole, made.way)
    with progress("indexing", sum(len(one.images) for one in due) * made.looks) as advance:
        for some in _in_pieces(due):
            made.add(some, advance)
    return made.ended(known=len(whole) - len(due))


class _Entries:
    """Entries of tracklets on their way into a gallery, and what is told of them at the end.

    `judge` recognises attributes, and with `drop_junk` junk; `critic` tells junk too.
    """

    def __init__(self, gallery: Gallery, judge: Recognizer | None, critic: Recognizer | None, drop_junk: bool) -> None:
        self.gallery, self.judge, self.critic, self.drop_junk = gallery, judge, critic, drop_junk
        self.pooled: list[tuple[int, int, int]] = []  # not the embeddings, which may be many
        self.failed: list[str] = []
        self.count = self.renewed = self.seen = self.dropped = 0

    @property
    def way(self) -> str:
        """Who looks at the images beside the gallery's model: entries are made anew where it is others."""
        models = [model.fingerprint for model in (self.judge, self.critic) if model is not None]
        return " ".join([*models, *(["dropped"] if self.drop_junk else [])])

    @property
    def looks(self) -> int:
        """How often each image is read."""
        return 2 + (self.judge is not None) + (self.critic is not None)

    def add(self, due: list[Tracklet], advance: Callable[[int], None]) -> None:
        """Embed the images of tracklets and add their entries."""
        from resight.tasks.tracklets.pooling import entries_of

        given = self._kept([image for one in due for image in one.images], advance)
        pooled, failed = entries_of(self.gallery.model, given, self.critic, progress=advance)
        self.pooled.append(pooled.counts)
        self.failed += failed
        self.seen += len(given) - len(failed)
        if len(pooled.embeddings):
            added = self.gallery.add_tracklets(pooled.embeddings, due)
            self.count, self.renewed = self.count + added.count, self.renewed + added.renewed

    def _kept(self, images: list[Record], advance: Callable[[int], None]) -> list[Record]:
        """The images with their attributes, without those that are dropped."""
        from resight.tasks.attributes.prediction import annotate

        if self.judge is None:
            return images
        found = annotate(self.judge, images, progress=advance)
        kept, dropped = _divided(found.records, self.drop_junk)
        self.failed += found.failed
        self.dropped += len(dropped)
        return kept

    def ended(self, known: int) -> Added:
        """Say what became of the images. Raises DataError where the gallery has no entry of them, new or `known`."""
        from resight.cli.embed import say_pooled
        from resight.errors import DataError, none_readable
        from resight.gallery import Added

        if self.drop_junk and self.pooled:
            _say_junk(self.dropped, self.seen + self.dropped)
        if not (self.count or self.renewed or known):
            if self.failed and not (self.seen or self.dropped):
                raise none_readable(len(self.failed), self.failed)
            raise DataError("every image is junk, so no tracklet is left")
        if self.pooled:
            say_pooled(self.pooled, self.seen)
        return Added(self.count, self.failed, known, self.renewed)


def _in_pieces(due: Sequence[Tracklet]) -> Iterator[list[Tracklet]]:
    """Whole tracklets, of some thousand images together."""
    from resight.embedding import PIECE

    held: list[Tracklet] = []
    images = 0
    for one in due:
        held.append(one)
        images += len(one.images)
        if images >= PIECE:
            yield held
            held, images = [], 0
    if held:
        yield held


def _divided(records: list[Record], drop_junk: bool) -> tuple[list[Record], list[Record]]:
    """Those to keep, and those to drop."""
    sides: tuple[list[Record], list[Record]] = [], []
    for record in records:
        sides[drop_junk and record.attributes.get("junk") == "yes"].append(record)
    return sides


def _say_junk(junk: int, seen: int) -> None:
    from resight.cli.console import counted, output

    output().print(f"{junk} of {counted(seen, 'image is', 'images are')} junk and left out", markup=False)
