"""What the commands share: output, progress, tables, and images given as an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from resight.records import Record, ReidDataset
    from resight.views.tables import Table

__all__ = [
    "GALLERY",
    "DataOption",
    "EmbedderArgument",
    "ForceOption",
    "GalleryArgument",
    "ImagesArgument",
    "RunArgument",
    "WhereOption",
    "counted",
    "errors",
    "images_of",
    "name_failed",
    "output",
    "progress",
    "remark",
    "show",
    "tell",
    "writable",
]

DataOption = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="FORMAT:PATH",
        help="Dataset, such as market1501:PATH or manifest:FILE; `resight data formats` lists them all. Repeat it for several.",
    ),
]

GALLERY = "Gallery folder, or postgresql://USER@HOST/DATABASE?table=NAME"
"""What a gallery's address may be, for the help of those who take one."""

GalleryArgument = Annotated[str, typer.Argument(metavar="GALLERY", help=f"{GALLERY}, as `resight index` made it.")]

WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COLUMN=VALUE",
        help="Only images of which this holds: camera=1,2, time=08:00..09:30, upper_color!=red. May be given several times; all must hold.",
    ),
]

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or hf:owner/name.")]

EmbedderArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run folder, hf:owner/name, or a file that `resight export` wrote.")
]

ImagesArgument = Annotated[
    str,
    typer.Argument(metavar="IMAGES", help="An image, a folder of images, or FORMAT:PATH for a dataset's gallery."),
]

_VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")

ForceOption = Annotated[bool, typer.Option("--force", help="Write over what --out names, where it is there already.")]


def output() -> Console:
    """A console on standard output, for results."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:  # a file has no edge at column 80
        console.width = max(console.width, 140)
    return console


def errors() -> Console:
    """A console on standard error, for progress, warnings and errors."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


def tell(line: str) -> None:
    """Print a line on standard error that says how far a command is."""
    errors().print(line, markup=False)


def remark(line: str) -> None:
    """Print a note on standard error, such as what is left out or how to continue; yellow on a terminal."""
    errors().print(line, style="yellow", markup=False)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while the block runs, which gets a function that advances it by a count."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = errors()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def show(tables: Sequence[Table], title: str = "") -> None:
    """Print tables on standard output, the first one titled `title`; one too wide for the terminal is split by columns."""
    console = output()
    for number, table in enumerate(tables):
        for shown in table.terminal("" if number else title, console.width):
            console.print(shown)


def name_failed(
    failed: Sequence[str], shown: int = 10, listed: Path | None = None, why: str = "could not be read"
) -> None:
    """Name images that could not be read on standard error: a line for each, of more than `shown` only the first.

    All of them are written to the file `listed`, where it is given: one that is empty says that there were none.
    """
    if listed is not None:
        from resight.cli.destinations import replaced
        from resight.files import written_whole

        anew = replaced(listed)
        with written_whole(listed) as partial:
            partial.write_text("".join(f"{line}\n" for line in failed), encoding="utf-8")
        output().print(f"images that could not be read: {listed}{anew}", markup=False)
    if failed:
        console = errors()
        console.print(f"[yellow]{len(failed)} of the images {why} and were left out:[/]")
        for line in failed[:shown]:
            console.print(f"  {line}", markup=False)
        if len(failed) > shown:
            console.print(f"  … and {len(failed) - shown} more")


def images_of(source: str, split: str | None = None, *, queries: bool = False) -> list[Record]:
    """The records of a command's IMAGES: an image, a folder of images, or FORMAT:PATH for a dataset.

    Of a dataset they are those of `split`, by default the gallery or, where there is none, the training images. Of what is
    to be searched for, `queries`, they are the queries, or all images where they are one set. Raises DataError for an
    unknown split, or when there is no image.
    """
    from resight.data.formats import FORMATS, read_dataset
    from resight.data.formats.manifest import is_manifest
    from resight.data.images import list_images
    from resight.errors import DataError, did_you_mean
    from resight.records import as_records

    name, colon, _ = source.partition(":")
    if name in FORMATS or (colon and not Path(source).exists()):
        dataset = read_dataset(source)
        if split is not None and split not in dataset.splits:
            raise DataError(
                f"no split {split!r}{did_you_mean(split, dataset.splits)}; a dataset has {', '.join(dataset.splits)}"
            )
        if queries:
            split = "query" if dataset.query or dataset.gallery else "train"
        records = list(dataset.splits[split] if split else dataset.gallery or dataset.train)
    elif split is not None:
        raise DataError(f"{source} is no FORMAT:PATH and has no splits; leave out --split")
    elif is_manifest(Path(source)):
        raise DataError(f"{source} is a table, no image; for the images of a manifest write manifest:{source}")
    elif Path(source).suffix.lower() in _VIDEOS and not Path(source).is_dir():
        raise DataError(
            f"{source} is a video; give `embed` or `index` its boxes: --boxes FILE; or see `resight data crops`"
        )
    else:
        records = as_records(list_images(source))
    if not records:
        raise DataError(f"{source} holds no images" + (f" in {split}" if split else ""))
    return _nameable(records) or _none_nameable(source)


def writable(dataset: ReidDataset) -> ReidDataset:
    """The dataset without images whose names cannot be written to a file; these are named on standard error.

    Explicit answers (`relevance`) number the whole gallery and are dropped where an image of it is.
    """
    from dataclasses import replace

    train, query, gallery = (_nameable(records) for records in (dataset.train, dataset.query, dataset.gallery))
    whole = len(query) == len(dataset.query) and len(gallery) == len(dataset.gallery)
    return replace(dataset, train=train, query=query, gallery=gallery, relevance=dataset.relevance if whole else None)


def _nameable(records: Sequence[Record]) -> list[Record]:
    from resight.records import nameable

    kept, failed = nameable(records)
    if failed:
        remark(f"{len(failed):,} of {counted(len(records), 'image')} left out, with names that no file can hold:")
        for line in failed[:10]:
            tell(f"  {line}")
        if len(failed) > 10:
            tell(f"  … and {len(failed) - 10} more")
    return kept


def _none_nameable(source: str) -> list[Record]:
    from resight.errors import DataError

    raise DataError(f"{source}: no image has a name in UTF-8; rename them, with convmv for example")
