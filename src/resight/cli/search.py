"""`resight search`."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from resight.cli.console import GalleryArgument, WhereOption
from resight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from resight.gallery.gallery import Ranked
    from resight.gallery.individual import Individual
    from resight.records import Embeddings, Record

__all__ = ["search"]


class HowChoice(StrEnum):
    """Ways to search."""

    auto = "auto"
    exact = "exact"
    ann = "ann"


def search(
    context: typer.Context,
    gallery: GalleryArgument,
    queries: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY...",
            help="What to search for: an image, a folder of images, or FORMAT:PATH for a dataset's queries.",
        ),
    ],
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="Hits per query.  [default: 10; with --course all]")
    ] = None,
    drop_junk: Annotated[
        bool,
        typer.Option("--drop-junk", help="Leave out images that are stored as junk; see `resight index --attributes`."),
    ] = False,
    where: WhereOption = None,
    how: Annotated[
        HowChoice,
        typer.Option(
            "--how",
            help="exact compares every image; ann uses the gallery's index; auto decides by how many images are left.",
        ),
    ] = HowChoice.auto,
    together: Annotated[
        bool, typer.Option("--together", help="All QUERYs show one person or vehicle: search for it once.")
    ] = False,
    combine: Annotated[
        Literal["mean", "best"],
        typer.Option(help="Of --together: compare with the mean of the pictures, or with the nearest of them."),
    ] = "mean",
    expand: Annotated[
        int,
        typer.Option(
            "--expand",
            min=0,
            max=50,
            metavar="K",
            help="Move the query towards its K nearest images, and search again.",
        ),
    ] = 0,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Order the first 100 hits by neighbours that they share with the query.")
    ] = False,
    camera: Annotated[
        int | None,
        typer.Option(
            "--camera",
            min=0,
            help="Camera that took the queries, for the probabilities: hits of the same one look alike sooner.  [default: "
            "what a dataset says of its queries]",
        ),
    ] = None,
    accept: Annotated[
        float | None,
        typer.Option(
            "--accept", min=0, max=1, help="Show only hits of this probability or more, and say where there is nobody."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Write the ranked lists as a picture (.png, .jpg).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    course: Annotated[
        Path | None,
        typer.Option(
            "--course",
            help="Write the hits to this .txt, a line of names for each query, as the Trento course wants them handed in.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over what --course names, where it is there already.")
    ] = False,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="New place of the gallery's run, if it was moved.")
    ] = None,
) -> None:
    """Find the images of a gallery that show the same person or vehicle as a query.

    `resight search gallery query.jpg -k 20 --picture ranked.png`

    `resight search gallery query.jpg --where camera=1,2 --where "time=08:00..09:30" --where upper_color=red`

    `resight search gallery front.jpg back.jpg --together --expand 3 --rerank`

    With `--expand` or `--rerank` hits stand in the new order; their scores and probabilities remain those of the query.

    Where `resight calibrate` has made a calibration of the gallery's run, each hit has a probability; with `--accept 0.9`
    those below it are left out, and a query of which none is left shows nobody of the gallery.

    A query's own file may be in the gallery; it is not among the hits. The Trento course wants the hits of many queries
    as one file:

    `resight search gallery queries/ --course reid_test.txt`
    """
    import numpy as np

    from resight.cli.console import name_failed, output, progress, remark
    from resight.cli.destinations import PICTURES, replaced, require_file, require_free, require_other
    from resight.cli.options import given, needs
    from resight.data.formats.course import hand_in_names
    from resight.embedding import embed as embed_images
    from resight.errors import DataError, OptionError
    from resight.gallery import Gallery
    from resight.gallery.filters import where_of_options
    from resight.records import nameable

    if picture is not None:
        require_file(picture, PICTURES, "--picture")
    if course is not None:
        require_file(course, (".txt",), "--course")
        require_free(course, force, "--course")
        if picture is not None or as_json:
            raise OptionError(f"--course writes the hits to a file; leave out {'--json' if as_json else '--picture'}")
        if accept is not None:
            raise OptionError("--course wants every image ranked; leave out --accept")
        if others := {"together", "expand", "rerank", "camera"} & {*given(context)}:
            raise OptionError(f"--course ranks each query as it is; leave out --{min(others)}")
    needs(context, ("combine",), "together")
    opened = Gallery.open(gallery, model=run)
    if drop_junk and "junk" not in opened.columns:
        raise OptionError(f"{opened.where} does not say what is junk; index it with --attributes RUN")
    junk = opened.ids({"junk": "yes"}) if drop_junk else ()
    condition = where_of_options(where, opened.columns) if where else None
    records = _queries(queries)
    model = opened.model
    if accept is not None and opened.calibration is None:
        raise OptionError(
            f"{opened.where} knows no probabilities; run `resight calibrate {model.source or 'RUN'} --data …` first"
        )
    if accept is not None and (caution := opened.caution):
        remark(f"note: {caution}")
    if accept is not None and together and opened.calibration is not None and opened.calibration.together is None:
        remark(
            "note: the probabilities were fitted on single pictures; of several together they are about 0.1 too high"
        )
    if picture is not None:
        require_other(picture, (*(record.path for record in records), *opened.paths()), "--picture")
    if course is not None:  # as long as nothing is lost
        for side in ([record.path for record in records], opened.paths()):
            hand_in_names(side, ranking=True)
        if unwritable := nameable(records)[1]:
            raise DataError(unwritable[0])
    with progress("embedding", len(records)) as advance:
        embedded = embed_images(model, records, progress=advance)
    asked = embedded.embeddings
    name_failed(embedded.failed)
    parts = [np.arange(len(asked))] if together else [np.array([row]) for row in range(len(asked))]
    with progress("searching", len(asked)) as advance:
        if course is not None:
            from resight.gallery.ranking import write_ranking

            anew = replaced(course)
            themselves = write_ranking(course, opened, asked, k, junk, where=condition, how=how.value, progress=advance)
        else:
            if together or expand or rerank:
                several = (_individual(asked.select(rows), combine, expand, rerank, junk) for rows in parts)
                found: Iterator[Ranked] = (
                    opened.rank_individual(one, k or 10, condition, how=how.value) for one in several
                )
            else:
                found = opened.rank(asked, k or 10, junk, condition, how=how.value)
            answers, themselves = [], 0
            for rows, ranked in zip(parts, found, strict=True):
                shown = [asked.records[row] for row in rows.tolist()]
                hits = opened.hits(ranked, _camera(shown) if camera is None else camera, together=len(shown) > 1)
                kept = [hit for hit in hits if accept is None or _accepted(hit, accept)]
                answers.append(([record.path for record in shown], kept))
                themselves += ranked.itself
                advance(len(rows))
    if themselves:
        own = "itself" if themselves == 1 else "themselves"
        asked_for = counted(len(parts), "query", "queries")
        remark(f"{themselves:,} of {asked_for} found {own} in the gallery; that is not counted as a hit")
    if course is not None:
        size = course.stat().st_size / 1e6
        shorter = "" if k or size < 10 else ", of every image in the gallery; -k 100 writes the nearest 100 alone"
        output().print(
            f"{counted(len(asked), 'query', 'queries')} -> {course}{anew} ({size:.1f} MB{shorter})", markup=False
        )
    elif as_json:
        print(json.dumps({_name(paths): [_plain(hit) for hit in hits] for paths, hits in answers}, indent=2))
    else:
        for paths, hits in answers:
            if not hits:
                told = "no image of the gallery fulfils the condition"
                if accept is not None:
                    told = f"nobody of the gallery (none with a probability of {accept:g})"
                output().print(f"{_name(paths)}: {told}", markup=False)
            else:
                output().print(_table(_name(paths), hits))
    if picture is not None:
        from resight.gallery.picture import search_picture

        anew = replaced(picture)
        search_picture(answers, picture)
        if not as_json:
            output().print(f"picture: {picture}{anew}", markup=False)


def _name(paths: Sequence[str]) -> str:
    """What several pictures that are searched for together are called."""
    return " + ".join(paths)


def _individual(
    asked: Embeddings,
    combine: Literal["mean", "best"],
    expand: int,
    rerank: bool,
    junk: Sequence[int] | NDArray[np.int64],
) -> Individual:
    from resight.files import file_key
    from resight.gallery.individual import Individual

    own = frozenset(file_key(record.path) for record in asked.records)
    return Individual(asked.features, asked.attributes, own, combine, expand, rerank, junk)


def _camera(records: Sequence[Record]) -> int:
    """The camera of all, if it is one."""
    from resight.records import NO_CAMERA

    cameras = {record.camera for record in records}
    return cameras.pop() if len(cameras) == 1 else NO_CAMERA


def _queries(sources: list[str]) -> list[Record]:
    """What the arguments name, each path once and as the user calls it."""
    from resight.cli.console import images_of
    from resight.data.formats.manifest import is_manifest
    from resight.records import Record

    records: dict[str, Record] = {}
    for source in sources:
        if Path(source).is_file() and not is_manifest(Path(source)):
            records[source] = Record(source)
        else:
            found = images_of(source, queries=True)
            records |= {record.path: record for record in found}
    return list(records.values())


def _accepted(hit, accept: float) -> bool:  # type: ignore[no-untyped-def]  # a Hit, imported late
    return hit.probability is not None and hit.probability >= accept


def _plain(hit) -> dict[str, object]:  # type: ignore[no-untyped-def]  # a Hit, imported late
    record = hit.record
    return {
        "id": hit.id,
        "score": round(hit.score, 6),
        "probability": hit.probability,
        "path": record.path,
        "identity": record.identity,
        "camera": record.camera,
        "attributes": dict(record.attributes),
        "sure": {name: round(value, 4) for name, value in hit.sure.items()},
    }


def _table(query: str, hits):  # type: ignore[no-untyped-def]  # list[Hit] -> rich.table.Table, imported late
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(query), title_justify="left")
    calibrated = any(hit.probability is not None for hit in hits)
    for column, side in (
        ("rank", "right"),
        ("score", "right"),
        *([("probability", "right")] if calibrated else []),
        ("camera", "right"),
        ("identity", "right"),
        ("image", "left"),
    ):
        table.add_column(column, justify=side, overflow="fold")  # type: ignore[arg-type]
    for rank, hit in enumerate(hits, 1):
        record = hit.record
        camera = str(record.camera) if record.camera >= 0 else "–"
        identity = str(record.identity) if record.identity > -2 else "–"
        sure = [_sure(hit.probability)] if calibrated else []
        table.add_row(str(rank), f"{hit.score:.3f}", *sure, camera, identity, escape(record.path))
    return table


def _sure(probability: float | None) -> str:
    """A probability in two digits, which do not make it certain."""
    if probability is None:
        return "–"
    if 0.005 <= probability < 0.995:
        return f"{probability:.2f}"
    return "<0.01" if probability < 0.5 else ">0.99"
