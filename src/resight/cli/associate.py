"""`resight associate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import ForceOption
from resight.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from resight.gallery import Gallery
    from resight.recognizer import Recognizer
    from resight.records import Embeddings
    from resight.retrieval.calibration import Calibration
    from resight.tasks.tracklets.evaluation import Result

__all__ = ["associate"]


def associate(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Run folder, hf:owner/name, or a file that `resight export` wrote; or, without IMAGES, a gallery whose "
            "images have tracklets.",
        ),
    ],
    images: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGES",
            help="FORMAT:PATH of images with tracklets, or a features.parquet that `resight embed` wrote.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for manifest.csv and tracklets.csv; of a gallery, or --write.")
    ] = None,
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="COLUMN",
            help="Column of the gallery that gets each image's individual, from 1: identity, or a name such as individual.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Distance up to which tracklets are joined.  [default: within which 1 % of the pairs lie that one camera "
            "sees at one time]"
        ),
    ] = None,
    accept: Annotated[
        float | None,
        typer.Option(
            "--accept",
            min=0,
            max=1,
            help="Join up to the distance at which the run's calibration has this probability for a pair; groups are "
            "compared as a whole, so that low ones such as 0.3 serve.",
        ),
    ] = None,
    linkage: Annotated[str, typer.Option(help="Distance of two individuals: average or complete.")] = "average",
    travel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B=S..S",
            help="Least and most seconds between leaving one camera and reaching the other, as 1,2=30..120, in either "
            "direction; others are never joined. Repeat it for several pairs.",
        ),
    ] = None,
    junk: Annotated[
        str | None,
        typer.Option("--junk", metavar="RUN", help="Leave out images that this run of `resight junk` calls junk."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of FORMAT:PATH: train, query or gallery.  [default: gallery where there is one]")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Join the tracklets of several cameras that show the same person or vehicle.

    `resight associate runs/street manifest:crops/manifest.csv --out people --travel 1,2=30..120`

    `resight associate gallery --write individual --accept 0.3`

    A tracklet is one entry, the mean of its images in which sharp ones count more. Two that a camera sees at one time are
    never joined, nor two whose cameras lie further apart than the time between them. manifest.csv has the individual as
    identity, tracklets.csv a line for each tracklet. Where the images have identities, prints IDF1, IDP and IDR. A column
    that is written again gets the same numbers as long as the gallery is the same; identities that are known are not
    written over without --force.
    """
    from resight.cli.console import name_failed, output, show
    from resight.cli.destinations import replaced, require_folder, require_free
    from resight.tasks.clusters.search import metric_of
    from resight.tasks.tracklets.evaluation import evaluate, travel_of, write_associations
    from resight.tasks.tracklets.report import tables

    if out is not None:
        require_folder(out)
        require_free(out, force)
    windows = travel_of(travel or [])
    _require_fitting(images, out, write, split, threshold, accept)
    given = _of_gallery(run) if images is None else _of_images(run, images, split)
    name_failed(given.failed)
    if accept is not None:
        threshold = _distance(given, accept)
    weights = _weights(given, junk)
    made = evaluate(
        given.embeddings,
        weights,
        metric_of(given.model),
        threshold=threshold,
        linkage=linkage,
        travel=windows,
        failed=given.failed,
    )
    if write is not None:
        _write(given, made, weights, write, force)
    told = ""
    if out is not None:
        anew = replaced(out)
        write_associations(out, made)
        told = f"\nmanifest: {out / 'manifest.csv'}{anew}"
    show(tables(made), given.called)
    if write is not None:
        told += f"\n{counted(len(made.images), 'image')} of {given.called} {'has its' if len(made.images) == 1 else 'have their'} individual in the column {write}"
    output().print(f"{_told(made, len(given.embeddings), accept)}{told}", markup=False)


@dataclass
class _Given:
    """What is associated."""

    called: str
    model: Recognizer
    embeddings: Embeddings
    failed: Sequence[str] = ()
    gallery: Gallery | None = None
    ids: NDArray[np.int64] | None = None
    """[N]: of a gallery."""

    @property
    def calibration(self) -> Calibration | None:
        return self.model.calibration if self.gallery is None else self.gallery.calibration


def _require_fitting(
    images: str | None,
    out: Path | None,
    write: str | None,
    split: str | None,
    threshold: float | None,
    accept: float | None,
) -> None:
    from resight.errors import OptionError

    if out is None and write is None:
        raise OptionError("name a folder for the result: --out people" + (", or --write" if images is None else ""))
    if write is not None and images is not None:
        raise OptionError(f"--write is for a gallery; {images} is none")
    if write in _given_columns():
        raise OptionError(
            f"--write {write} would write over what is known of the images; name identity or another column"
        )
    if threshold is not None and accept is not None:
        raise OptionError("--threshold and --accept say the same in two ways; leave one out")
    if split is not None and images is None:
        raise OptionError("--split is for FORMAT:PATH, not for a gallery")
    if split is not None and images is not None and _is_file(images):
        raise OptionError(f"--split is for FORMAT:PATH; {images} is a feature file")


def _given_columns() -> set[str]:
    """Columns of a gallery that say of what its images are; nothing is written over them."""
    from resight.gallery.rows import FIELDS

    return {"id", *(column.name for column in FIELDS)} - {"identity"}


def _is_file(images: str) -> bool:
    return images.endswith(".parquet") and ":" not in images


def _of_gallery(where: str) -> _Given:
    from resight.cli.console import remark
    from resight.errors import OptionError
    from resight.gallery import Gallery
    from resight.gallery.stores import in_words, store_exists

    if not store_exists(where):
        raise OptionError(
            f"{in_words(where)} is no gallery; give a run and the images: resight associate RUN IMAGES --out people"
        )
    gallery = Gallery.open(where)
    gallery.model.tell = remark
    ids = gallery.ids()
    return _Given(gallery.where, gallery.model, gallery.embeddings(ids), gallery=gallery, ids=ids)


def _of_images(run: str, images: str, split: str | None) -> _Given:
    from resight.cli.console import images_of, progress, remark
    from resight.embedding import embed, load_embeddings
    from resight.recognizer import load

    records = None if _is_file(images) else images_of(images, split)
    model = load(run)
    model.tell = remark
    if records is None:
        return _Given(images, model, load_embeddings(model, images))
    with progress("embedding", len(records)) as advance:
        embeddings, failed = embed(model, records, progress=advance)
    return _Given(images, model, embeddings, failed)


def _weights(given: _Given, junk: str | None) -> NDArray[np.float32]:
    """Each image's part of its tracklet; of tracklets that are one image each, no image need be looked at."""
    import numpy as np

    from resight.cli.console import progress
    from resight.recognizer import load
    from resight.tasks.tracklets.pooling import groups, qualities

    records = given.embeddings.records
    if junk is None and len(np.unique(groups(records))) == len(records):
        return np.ones(len(records), np.float32)
    judge = None if junk is None else load(junk)
    with progress("looking", len(records) * (1 + (judge is not None))) as advance:
        return qualities(given.model, records, judge, progress=advance)


def _distance(given: _Given, accept: float) -> float:
    """The distance at which the calibration has a probability. Says where it was fitted on other data."""
    import numpy as np

    from resight.cli.console import remark
    from resight.errors import OptionError
    from resight.gallery.caution import caution_of
    from resight.tasks.tracklets.pooling import groups

    model, calibration, records = given.model, given.calibration, given.embeddings.records
    if model.weighs_attributes:
        raise OptionError("--accept: tracklets are joined by features alone, and the calibration weighs attributes too")
    if calibration is None:
        raise OptionError(
            f"nothing tells the probability of a distance; run `resight calibrate {model.source or 'RUN'} --data …` first"
        )
    if caution := caution_of(calibration, [one.path for one in records], {one.camera for one in records}):
        remark(f"note: {caution}")
    score = calibration.of(tracklets=True).score(accept, len(np.unique(groups(records))))
    return max(0.0, (1.0 if model.metric == "cosine" else 0.0) - score)


def _write(given: _Given, made: Result, weights: NDArray[np.float32], column: str, force: bool) -> None:
    """Give the gallery's images their individual; those left out as junk get none, or keep their identity."""
    import numpy as np

    from resight.errors import OptionError
    from resight.records import UNLABELLED

    assert given.gallery is not None
    assert given.ids is not None
    kept = np.flatnonzero(weights > 0)
    individuals = (made.labels[made.of_images] + 1).tolist()
    if column == "identity":
        old = [given.embeddings.records[row].identity for row in kept.tolist()]
        others = sum(was not in (UNLABELLED, now) for was, now in zip(old, individuals, strict=True))
        if others and not force:
            raise OptionError(
                f"{counted(others, 'image')} of {given.gallery.where} {'has another identity' if others == 1 else 'have other identities'}; write another column, as --write "
                "individual, or --force to write over them"
            )
        given.gallery.update_each(given.ids[kept], {column: individuals})
        return
    cells: list[int | None] = [None] * len(given.ids)
    for row, individual in zip(kept.tolist(), individuals, strict=True):
        cells[row] = individual
    given.gallery.update_each(given.ids, {column: cells})


def _told(made: Result, given: int, accept: float | None) -> str:
    """What was joined, and by what distance."""
    left_out = (
        f"\n{given - len(made.images):,} of {counted(given, 'image')} left out as junk"
        if given > len(made.images)
        else ""
    )
    way = ", told by tracklets that one camera sees at one time" if made.learned else ""
    way = way if accept is None else f", where a pair has a probability of {accept:g}"
    return (
        f"{counted(len(made.labels), 'tracklet')} of {counted(len(made.images), 'image')}: "
        f"{counted(len(set(made.labels.tolist())), 'individual')}; joined up to distance {made.threshold:.4g}{way}; "
        f"{counted(made.apart, 'pair excludes', 'pairs exclude')} each other{left_out}"
    )
