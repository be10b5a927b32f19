"""`resight junk scan`, `review` and `apply`."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import DataOption, ForceOption, ImagesArgument, RunArgument
from resight.words import counted

if TYPE_CHECKING:
    from resight.tasks.junk.review import Review

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Find junk images, review them, leave them out of a dataset. No image is ever deleted.",
    rich_markup_mode="markdown",
)

ScanArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `resight junk scan` wrote.")]


@app.command("scan")
def scan_images(
    context: typer.Context,
    run: RunArgument,
    images: ImagesArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the suspects and their contact sheet.")],
    threshold: Annotated[float | None, typer.Option(help="Suspect images with at least this score.")] = None,
    quantile: Annotated[
        float | None, typer.Option(help="Suspect images from this quantile of all scores on.  [default: 0.99]")
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Suspect as many images as possible, so that this share of them is junk; needs --labels."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FORMAT:PATH", help="Labelled images (identity -1 is junk) to choose the threshold on."),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            help="probability of an attribute run; relative or error of an autoencoder.  [default: the run's first]"
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of FORMAT:PATH: train, query or gallery.")] = None,
) -> None:
    """Score images by how likely they are junk, and list the suspects, highest score first.

    `resight junk scan runs/junk crops/ --out suspects`, then `resight junk review suspects`

    Junk shows no person or vehicle well. The score is an autoencoder's reconstruction error, relative to the image's
    detail unless `--score error` is given, or an attribute run's probability of junk. Where the images are labelled,
    prints precision and recall, and those of each kind of junk that a column junk_kind names.
    """
    from resight.cli.console import images_of, name_failed, output, progress, show
    from resight.cli.destinations import replaced, require_folder
    from resight.cli.options import command_line
    from resight.data.formats import read_dataset
    from resight.errors import OptionError
    from resight.recognizer import load
    from resight.tasks.junk.evaluation import count_images, evaluate, write_scan
    from resight.tasks.junk.report import page, tables

    if sum(given is not None for given in (threshold, quantile, precision)) > 1:
        raise OptionError("give one of --threshold, --quantile and --precision")
    if (precision is None) != (labels is None):
        raise OptionError("--precision and --labels FORMAT:PATH go together")
    require_folder(out)
    records = images_of(images, split)
    labelled = None if labels is None else list(read_dataset(labels))
    model = load(run)
    with progress("scoring", count_images(records, labelled)) as advance:
        found = evaluate(
            model,
            records,
            score=score,
            threshold=threshold,
            quantile=quantile,
            precision=precision,
            labelled=labelled,
            progress=advance,
        )
    name_failed(found.failed)
    anew = replaced(out / "scan.json")
    write_scan(out, found, {"run": run, "source": images})
    facts = {"Run": run, "Score": found.score}
    page(found, images, facts).finish(out / "report.html", command=command_line(context), failed=found.failed)
    show(tables(found), images)
    has = "has" if len(found.suspects) == 1 else "have"
    output().print(
        f"{len(found.suspects):,} of {counted(len(found.scored.records), 'image')} {has} a score ({found.score}) of "
        f"{found.threshold:.6g} or more\nsuspects: {out / 'suspects.csv'}\npictures: {out / 'report.html'}{anew}\n"
        f"next: {shlex.join(['resight', 'junk', 'review', str(out)])}",
        markup=False,
    )


@app.command("review")
def review_suspects(
    context: typer.Context,
    folder: ScanArgument,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Review in the terminal, path by path, instead of on a page.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the page; 0 chooses a free one.")] = 0,
) -> None:
    """Look at each suspect and decide whether it is junk. Every decision is saved at once, and a new start goes on.

    `resight junk review suspects`, then open the address that it prints

    The page is served on this machine only, to anyone who has the address with its token. Images accepted as junk are
    left out by `resight junk apply`; rejected and undecided ones stay.
    """
    from resight.cli.console import output
    from resight.cli.destinations import require_folder
    from resight.cli.options import given
    from resight.errors import DataError, OptionError
    from resight.tasks.junk.review import Review

    if terminal and "port" in given(context):
        raise OptionError("--port is for the page; leave it out with --terminal")
    review = Review.open(folder)
    require_folder(folder, "DIR")  # for decisions.csv
    if not review.suspects:
        raise DataError(f"{folder} lists no suspects; scan with a lower threshold")
    if terminal:
        _ask(review)
    else:
        from resight.serving.review import ReviewServer

        with ReviewServer(review, port) as server:
            output().print(f"open {server.url}\nend with Ctrl-C", markup=False)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
    left = len(review.undecided)
    output().print(
        f"{len(review.suspects) - left} of {counted(len(review.suspects), 'suspect')} decided, "
        f"{len(review.accepted)} accepted as junk\n"
        f"next: {shlex.join(['resight', 'junk', 'apply', str(folder)])} --data FORMAT:PATH --out kept.csv",
        markup=False,
    )


@app.command("apply")
def apply_decisions(
    folder: ScanArgument,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Manifest to write (.csv or .parquet).")],
    force: ForceOption = False,
) -> None:
    """Write a manifest of the data without the images accepted as junk. No image is deleted.

    `resight junk apply suspects --data market1501:/data/Market-1501-v15.09.15 --out kept.csv`
    """
    from resight.cli.console import errors, output, writable
    from resight.cli.destinations import MANIFESTS, replaced, require_file, require_free
    from resight.data.formats.manifest import write_manifest
    from resight.data.union import read_datasets
    from resight.errors import DataError
    from resight.tasks.junk.review import Review, without_junk

    require_file(out, MANIFESTS)
    require_free(out, force)
    review = Review.open(folder)
    if len(review.undecided) == len(review.suspects) and review.suspects:
        raise DataError(f"nobody has looked at the suspects in {folder} yet; run `resight junk review {folder}`")
    kept, left_out = without_junk(writable(read_datasets(data)), review.accepted)
    anew = replaced(out)
    write_manifest(out, kept)
    if undecided := len(review.undecided):
        errors().print(
            f"[yellow]{counted(undecided, 'suspect is not decided and stays', 'suspects are not decided and stay')}[/]"
        )
    images = sum(map(len, kept.splits.values()))
    output().print(
        f"{counted(left_out, 'image')} left out, {images:,} kept -> {out}{anew}\nuse it as --data {shlex.quote(f'manifest:{out}')}",
        markup=False,
    )


def _ask(review: Review) -> None:
    """Ask for a decision on each undecided suspect: y accepts it as junk, n rejects it, b goes back, q ends."""
    from resight.cli.console import output

    output().print("y: junk, to be left out   n: keep   b: back   q: end", markup=False)
    places = list(review.undecided)
    here = 0
    while here < len(places):
        place = places[here]
        suspect = review.suspects[place]
        try:
            answer = (
                input(f"[{place + 1}/{len(review.suspects)}] {suspect.score:.4g} {suspect.path}  junk? ")
                .strip()
                .lower()
            )
        except EOFError:
            return
        if answer == "q":
            return
        if answer == "b":
            here = max(0, here - 1)
        elif answer in ("y", "n"):
            review.decide(place, "accepted" if answer == "y" else "rejected")
            here += 1
