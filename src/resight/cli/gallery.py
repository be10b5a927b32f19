"""`resight gallery info`, `delete`, `update`, `compact`, `export`, `import` and `reindex`."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from resight.cli.console import ForceOption, GalleryArgument, WhereOption
from resight.words import counted

if TYPE_CHECKING:
    from resight.gallery import Gallery
    from resight.gallery.filters import Filter
    from resight.gallery.store import Storage

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Look into galleries, change what they hold, move and tidy them. Image files are never touched.",
    rich_markup_mode="markdown",
)

IdsOption = Annotated[
    str | None,
    typer.Option("--ids", metavar="ID,ID", help="These images, by the ids that `resight search --json` prints."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("info")
def info(gallery: GalleryArgument, as_json: JsonOption = False) -> None:
    """Tell what a gallery holds: images, cameras, times, columns and how full they are, its model, index and size.

    `resight gallery info gallery`
    """
    from resight.cli.console import output, show
    from resight.gallery.survey import survey
    from resight.views.tables import Table

    found = survey(_opened(gallery))
    if as_json:
        print(json.dumps(found.summary(), indent=2))
        return
    for name, said in found.lines():
        output().print(f"{name:>14}  {said}", markup=False)
    rows = [
        [name, kind, f"{found.known[name]:,}", f"{100 * found.known[name] / max(1, found.images):.0f} %"]
        for name, kind in found.kinds.items()
        if name != "id"
    ]
    show([Table(["column", "kind", "images with a value", "share"], rows)])


@app.command("delete")
def delete(
    gallery: GalleryArgument,
    where: WhereOption = None,
    ids: IdsOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every image; the gallery stays, empty.")] = False,
    yes: YesOption = False,
) -> None:
    """Take images out of a gallery. Their files stay.

    `resight gallery delete gallery --where camera=3 --where time=..2026-01-31`

    Says how many there are and asks first. Disk space is freed by `resight gallery compact`.
    """
    from resight.cli.console import output

    opened = _opened(gallery)
    condition, chosen = _chosen(opened, where, ids, every)
    count = opened.count(condition) if chosen is None else len(opened.fetch(sorted({*chosen})))
    if count and not _agreed(f"delete {count:,} of {counted(len(opened), 'image')} of {opened.where}?", yes):
        return
    if not count:
        return _say_none(opened, where, "deleted")
    deleted = opened.delete(chosen, None if chosen is not None else condition or {})
    output().print(f"{counted(deleted, 'image')} deleted, {len(opened):,} in {opened.where}", markup=False)


@app.command("update")
def update(
    gallery: GalleryArgument,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="New value, such as name=Ann or camera=3; an empty one takes a value away. A new column holds text, or what NAME:int=3 says.",
        ),
    ] = None,
    where: WhereOption = None,
    ids: IdsOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every image.")] = False,
    table: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="TABLE",
            help="A .csv or .parquet with a column path or id; its other columns are the images' new values.",
        ),
    ] = None,
) -> None:
    """Give images of a gallery new values: names, identities, cameras, or columns of your own.

    `resight gallery update gallery --where identity=17 --set "name=the courier"`

    `resight gallery update gallery --from shifts.csv`, with a column path, relative to that file's folder
    """
    from resight.cli.console import name_failed, output
    from resight.errors import OptionError
    from resight.gallery.edits import edits_of, values_of_options

    opened = _opened(gallery)
    if table is not None:
        if values or where or ids or every:
            raise OptionError("--from says which images and which values; leave out --set, --where, --ids and --all")
        found = edits_of(table, opened)
        if found.unknown:
            name_failed(found.unknown, why="are not in the gallery")
        changed = opened.update_each(found.ids, found.values)
        names = list(found.values)
    else:
        if not values:
            raise OptionError("say what to change: --set NAME=VALUE, or --from TABLE")
        condition, chosen = _chosen(opened, where, ids, every)
        new = values_of_options(values, opened.columns)
        meant = opened.ids(condition) if chosen is None else chosen
        changed = opened.update(meant, new)
        names = list(new)
    if not changed:
        return _say_none(opened, where, "changed")
    output().print(f"new values of {', '.join(names)} in {counted(changed, 'image')}", markup=False)


@app.command("compact")
def compact(
    gallery: GalleryArgument,
    keep: Annotated[
        str, typer.Option(help="Versions younger than this stay for those who read them now: 90s, 30m, 12h, 7d.")
    ] = "1h",
) -> None:
    """Join what many small additions wrote, free what was deleted, and measure the index again.

    `resight gallery compact gallery`

    Additions do it themselves where pieces or old versions are many; this does it at once, and to all.
    """
    from resight.cli.console import output, progress

    opened, kept = _opened(gallery), _duration(keep)
    before = opened.storage
    with progress("compacting", None):
        opened.compact(kept)
    after = opened.storage
    output().print(f"{_size(before)} -> {_size(after)}", markup=False)
    if after.bytes > before.bytes:
        output().print(
            f"older versions stay for {keep}, for those who read them; compact after that to free them", markup=False
        )


@app.command("export")
def export(
    gallery: GalleryArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help=".parquet: features and every column, for `resight gallery import`; .csv: the columns alone."
        ),
    ],
    where: WhereOption = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Of a .csv: one that `--data manifest:FILE` reads as a dataset.")
    ] = False,
    force: ForceOption = False,
) -> None:
    """Write a gallery's images to a file: with their features, as a table for a spreadsheet, or as a dataset.

    `resight gallery export gallery --out street.parquet --where camera=1`
    """
    from resight.cli.console import output, progress
    from resight.cli.destinations import replaced, require_file, require_free
    from resight.errors import OptionError
    from resight.gallery.filters import where_of_options
    from resight.gallery.transfer import export_features, export_manifest, export_table

    require_file(out, (".parquet", ".csv"))
    require_free(out, force)
    if manifest and out.suffix.lower() != ".csv":
        raise OptionError("--manifest writes a .csv; name such a file")
    opened = _opened(gallery)
    condition = where_of_options(where, opened.columns) if where else None
    write = export_manifest if manifest else export_table if out.suffix.lower() == ".csv" else export_features
    anew = replaced(out)
    with progress("writing", len(opened)) as advance:
        count = write(opened, out, condition, advance)
    output().print(f"{counted(count, 'image')} -> {out}{anew}", markup=False)


@app.command("import")
def import_images(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="What `resight embed` or `resight gallery export` wrote, a folder of part files, or another gallery.",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="GALLERY", help="Gallery to make or to add to, a folder or postgresql://…")
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="RUN", help="Run that made the features, where they do not say.")
    ] = None,
) -> None:
    """Put embeddings that are there already into a gallery: from files, part files of several machines, or other galleries.

    `resight gallery import parts/ --out gallery`

    `resight gallery import gallery --out "postgresql://me@db.example/crops?table=street"`

    Images that the gallery has already are replaced; an entry of `resight embed --tracklets` takes the place of that
    tracklet's, also where it has grown since. Stopped and started again, it ends with the same gallery.
    """
    from resight.cli.console import output, progress
    from resight.cli.destinations import require_folder
    from resight.gallery.address import is_address
    from resight.gallery.transfer import gallery_for, import_into, source_of
    from resight.recognizer import load

    if not is_address(out):
        require_folder(Path(out))
    recognizer = None if model is None else load(model)
    found = [source_of(source) for source in sources]
    for source in found:
        target = gallery_for(source, out, recognizer)
        before = len(target)
        with progress("importing", len(source)) as advance:
            count = import_into(target, source, advance)
        output().print(
            f"{counted(count, 'image')} of {source.name} ({len(target) - before} of them new), {len(target)} in {target.where}",
            markup=False,
        )


@app.command("reindex")
def reindex(
    gallery: GalleryArgument,
    recall: Annotated[
        float, typer.Option(min=0.5, max=1, help="Share of the true 10 nearest that searches should find.")
    ] = 0.99,
) -> None:
    """Make the index that quick searches of large galleries use, and measure what it takes to keep a promise.

    `resight gallery reindex gallery --recall 0.98`

    Up to 50,000 images are searched exactly, and need none.
    """
    from resight.cli.console import output, progress, show
    from resight.views.tables import Table

    opened = _opened(gallery)
    with progress("indexing", None):
        facts = opened.build_index(recall)
    rows = [
        [f"{100 * share:g} % of the images", f"{facts.effort[share]}", f"{facts.recall[share]:.4f}"]
        for share in sorted(facts.recall, reverse=True)
    ]
    note = f"{facts.sample} of the gallery's own images as queries, beside exact search"
    show(
        [Table(["a search of", "effort", "recall at 10"], rows, note=note)],
        f"{facts.kind}, {counted(facts.rows, 'image')}",
    )
    output().print(f"index: {opened.where}", markup=False)


def _size(storage: Storage) -> str:
    return f"{storage.bytes / 1e6:,.1f} MB in {counted(storage.pieces, 'piece')}"


def _opened(where: str) -> Gallery:
    from resight.gallery import Gallery

    return Gallery.open(where)


def _chosen(
    gallery: Gallery, where: list[str] | None, ids: str | None, every: bool
) -> tuple[Filter | None, list[int] | None]:
    """A condition, or ids. Raises OptionError where not exactly one of the three options says which images."""
    from resight.errors import OptionError
    from resight.gallery.filters import where_of_options

    if sum(map(bool, (where, ids, every))) != 1:
        raise OptionError("say which images, in one way: --where COLUMN=VALUE, --ids ID,ID, or --all")
    if ids is None:
        return (where_of_options(where, gallery.columns) if where else None), None
    if not re.fullmatch(r"\d+(,\d+)*", ids.replace(" ", "")):
        raise OptionError(f"--ids {ids}: give whole numbers, separated by commas")
    if above := [one for one in ids.split(",") if int(one) >= 2**63]:
        raise OptionError(f"--ids {above[0].strip()}: an id has 63 bits; `resight search --json` prints them")
    return None, [int(one) for one in ids.split(",")]


def _say_none(gallery: Gallery, where: list[str] | None, done: str) -> None:
    """Say that no image is meant, and so nothing is done: no error, as when the same is asked for twice."""
    from resight.cli.console import output

    which = f"fits {' and '.join(where)}" if where else "is one of these" if len(gallery) else "is there"
    output().print(f"no image of {gallery.where} {which}; nothing is {done}", markup=False)


def _agreed(question: str, yes: bool) -> bool:
    """Whether to go on; asks on a terminal. Raises OptionError where nobody can be asked."""
    import sys

    from resight.errors import OptionError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise OptionError(f"{question} Nobody can be asked here: add --yes")
    return typer.confirm(question, err=True)


_UNITS: dict[str, Any] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(text: str) -> timedelta:
    from resight.errors import OptionError

    found = re.fullmatch(r"(\d+)\s*([smhd])", text.strip())
    if found is None or len(found[1]) > 6:
        raise OptionError(f"--keep {text}: write a whole number of up to six digits with s, m, h or d, such as 30m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
