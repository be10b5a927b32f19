"""`resight index`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import GALLERY, EmbedderArgument, ImagesArgument
from resight.cli.embed import FailedOption, JunkOption, ShardOption, TrackletsOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from resight.gallery import Added, Gallery
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
    those recognised as junk. With `--tracklets` a tracklet is found as one image, its best. `--shard 3/8` adds a share of
    the images to a gallery on a server; for one in a folder, embed the shares and import the parts: `resight embed`.
    """
    from resight.cli.console import counted, images_of, name_failed, output, progress
    from resight.cli.destinations import require_file, require_folder
    from resight.cli.embed import pooled, share_of
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
    part = Shard.of(shard)
    gallery = Gallery.open(out, model=run) if store_exists(out) else None
    records = share_of(images_of(images), part, images)
    judge = _judge(attributes or run, drop_junk) if attributes is not None or drop_junk else None
    if gallery is None:
        gallery = Gallery.create(out, model=run, empty=False)
    if tracklets:
        unreadable: list[str] = []
        if judge is not None:
            records, unreadable = _annotated(judge, records, drop_junk)
        entries, lines = pooled(gallery.model, records, junk)
        before = len(gallery)
        gallery.add_embeddings(entries)
        name_failed(unreadable + lines, listed=failed)
        told = f"{counted(len(entries), 'entry', 'entries')} indexed ({len(gallery) - before} of them new)"
        output().print(f"{told}, {len(gallery)} in {gallery.where}", markup=False)
        return
    with progress("indexing", len(records)) as advance:
        if judge is None:
            added = gallery.add(records, progress=advance)
        else:
            added = _recognised(gallery, judge, records, drop_junk, advance)
    name_failed(added.failed, listed=failed)
    renewed = f", {added.renewed} with a changed file embedded again" if added.renewed else ""
    there = f" ({added.known} were there already)" if added.known else ""
    output().print(
        f"{counted(added.count, 'image')} added{renewed}{there}, {len(gallery)} in {gallery.where}\n"
        f"next: {shlex.join(['resight', 'search', gallery.where])} QUERY.jpg",
        markup=False,
    )


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
    from resight.embedding import PIECE
    from resight.errors import DataError, none_readable
    from resight.gallery import Added
    from resight.tasks.attributes.prediction import annotate

    new = gallery.unknown(records)
    known = len(records) - len(new)
    advance(known)
    count, renewed, seen, junk, failed = 0, 0, 0, 0, list[str]()
    for start in range(0, len(new), PIECE):
        found = annotate(judge, new[start : start + PIECE])
        kept = _kept(found.records, drop_junk)
        failed += found.failed
        seen += len(found.records)
        junk += len(found.records) - len(kept)
        advance(len(found.failed) + len(found.records) - len(kept))
        if kept:
            added = gallery.add(kept, sure=found.sure, progress=advance)
            count, known, renewed = count + added.count, known + added.known, renewed + added.renewed
            failed += added.failed
    if failed and not (seen or known):
        raise none_readable(len(failed), failed)
    if drop_junk:
        _say_junk(junk, seen)
    if not (count or known or renewed):
        raise DataError("no image is left to index")
    return Added(count, failed, known, renewed)


def _annotated(judge: Recognizer, records: list[Record], drop_junk: bool) -> tuple[list[Record], list[str]]:
    """The records with the attributes that a run recognises, with `drop_junk` without those recognised as junk; and
    those that cannot be read."""
    from resight.cli.console import progress
    from resight.errors import DataError
    from resight.tasks.attributes.prediction import annotate

    with progress("recognising", len(records)) as advance:
        found = annotate(judge, records, progress=advance)
    kept = _kept(found.records, drop_junk)
    if drop_junk:
        _say_junk(len(found.records) - len(kept), len(found.records))
    if not kept:
        raise DataError("no image is left to index")
    return kept, found.failed


def _kept(records: list[Record], drop_junk: bool) -> list[Record]:
    return [record for record in records if not (drop_junk and record.attributes.get("junk") == "yes")]


def _say_junk(junk: int, seen: int) -> None:
    from resight.cli.console import output

    output().print(f"{junk} of {seen} images are junk and left out", markup=False)
