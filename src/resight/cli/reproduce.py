"""`resight reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from resight.words import counted

__all__ = ["reproduce"]


def reproduce(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="`list`, or the name of a published table, or a YAML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Recipe keys to change in every row, such as model.pretrained=false. Keys in which the rows differ stay.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FORMAT:PATH", help="Dataset; repeat it for a union.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the table and its rows' runs.")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of epochs; milestones, warm-up and validations are scaled with it."),
    ] = None,
    identities: Annotated[
        int | None,
        typer.Option(min=2, help="Number of identities to train on, drawn with seed 0; all are evaluated."),
    ] = None,
    rows: Annotated[
        str | None, typer.Option(metavar="A,B", help="Rows to run, by name or number.  [default: all]")
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N,M", help="Run each row with each of these seeds.")] = "0",
    on: Annotated[
        Literal["validation", "test"],
        typer.Option(
            help="Images that figures are of: the dataset's query and gallery, or those that each run holds out for "
            "validation, a fifth of the people where its recipe holds nobody out."
        ),
    ] = "test",
    force: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Change a key even where the rows differ in it; repeat it for several."),
    ] = None,
) -> None:
    """Train the rows of a published table and print our figures and the published ones, with differences to the first row.

    `resight reproduce list` shows the tables,
    `resight reproduce vehicle-heads --data veri776:/data/VeRi --out tables/heads` runs one in full, and
    `… --epochs 5 --identities 60 --rows 1,4 model.pretrained=false image.height=64 image.width=64` a small part of it.

    Started again, it continues where it was interrupted and trains only rows and seeds that are missing. Figures are
    measured on the dataset's query and gallery; where it has none, a fifth of the identities is held out for them. With
    `--on validation` they are of the people held out to choose the epoch, as several sources print them; then nobody is
    held out besides, and rows train on four fifths of the people.

    KEY=VALUE changes the key in every row that has it. Where the rows differ in the key, they keep their own values,
    which are what the table compares, and a line says so. --force changes such a key as well; rows that become equal
    are then trained once. --out gets table.csv, table.md, curves.png (a panel for each logged series, of the first 16
    rows), commands.txt, settings.json and the runs. Below the table stand the lines of docs/sources.md about it and about
    the rows that have run: what the source describes, where it lives here, and what differs.
    """
    from resight.cli.console import errors, output, show, tell
    from resight.cli.destinations import require_folder
    from resight.errors import OptionError
    from resight.reproduce import load_table
    from resight.reproduce import reproduce as run_table

    if table == "list":
        _list()
        return
    if not data or out is None:
        raise OptionError("give --data FORMAT:PATH and --out DIR")
    require_folder(out)
    comparison = run_table(
        load_table(table),
        data,
        out,
        overrides=overrides or [],
        forced=force or [],
        epochs=epochs,
        identities=identities,
        rows=rows,
        seeds=_numbers(seeds),
        on=on,
        tell=tell,
        quiet=not errors().is_terminal,
    )
    show([comparison.shown()], comparison.table.title)
    output().print(f"in {out}: table.csv, table.md, curves.png, commands.txt", markup=False)


def _list() -> None:
    from resight.cli.console import output
    from resight.reproduce import load_table, tables

    for name in tables():
        table = load_table(name)
        recipes = ", ".join(dict.fromkeys(row.recipe or table.recipe for row in table.rows))
        output().print(f"{name}: {counted(len(table.rows), 'row')} of {recipes}\n    {table.title}", markup=False)
        output().print(f"    {table.source}", markup=False)


def _numbers(text: str) -> list[int]:
    from resight.errors import OptionError

    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise OptionError(f"--seeds {text}: whole numbers with commas between, such as 0,1,2") from None
