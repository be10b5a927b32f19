"""`resight associate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import ForceOption

if TYPE_CHECKING:
    from resight.tasks.tracklets.evaluation import Result

__all__ = ["associate"]


def associate(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder, hf:owner/name, or a file that `resight export` wrote.")
    ],
    images: Annotated[
        str,
        typer.Argument(
            metavar="IMAGES",
            help="FORMAT:PATH of images with tracklets, or a features.parquet that `resight embed` wrote.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for manifest.csv and tracklets.csv.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Distance up to which tracklets are joined.  [default: within which 1 % of the pairs lie that one camera "
            "sees at one time]"
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

    A tracklet is one entry, the mean of its images in which sharp ones count more. Two that a camera sees at one time are
    never joined, nor two whose cameras lie further apart than the time between them. manifest.csv has the individual as
    identity, tracklets.csv a line for each tracklet. Where the images have identities, prints IDF1, IDP and IDR.
    """
    from resight.cli.console import images_of, name_failed, output, progress, remark, show
    from resight.cli.destinations import replaced, require_folder, require_free
    from resight.embedding import embed, load_embeddings
    from resight.errors import OptionError
    from resight.recognizer import load
    from resight.tasks.clusters.search import metric_of
    from resight.tasks.tracklets.evaluation import evaluate, travel_of, write_associations
    from resight.tasks.tracklets.pooling import qualities
    from resight.tasks.tracklets.report import tables

    require_folder(out)
    require_free(out, force)
    windows = travel_of(travel or [])
    made_already = images.endswith(".parquet") and ":" not in images
    if made_already and split is not None:
        raise OptionError(f"--split is for FORMAT:PATH; {images} is a feature file")
    records = None if made_already else images_of(images, split)
    model = load(run)
    model.tell = remark
    judge = None if junk is None else load(junk)
    failed: list[str] = []
    if records is None:
        embeddings = load_embeddings(model, images)
    else:
        with progress("embedding", len(records)) as advance:
            embeddings, failed = embed(model, records, progress=advance)
    name_failed(failed)
    with progress("looking", len(embeddings) * (1 + (judge is not None))) as advance:
        weights = qualities(model, embeddings.records, judge, progress=advance)
    made = evaluate(
        embeddings, weights, metric_of(model), threshold=threshold, linkage=linkage, travel=windows, failed=failed
    )
    anew = replaced(out)
    write_associations(out, made)
    show(tables(made), images)
    output().print(f"{_told(made, len(embeddings))}\nmanifest: {out / 'manifest.csv'}{anew}", markup=False)


def _told(made: Result, given: int) -> str:
    """What was joined, and by what distance."""
    facts = made.summary()
    left_out = f"\n{given - len(made.images)} of {given} images left out as junk" if given > len(made.images) else ""
    way = ", told by tracklets that one camera sees at one time" if made.learned else ""
    return (
        f"{facts['tracklets']} tracklets of {len(made.images)} images are {facts['individuals']} individuals; joined up to "
        f"distance {made.threshold:.4g}{way}; {made.apart} pairs exclude each other{left_out}"
    )
