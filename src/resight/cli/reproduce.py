"""`resight reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reproduce"]


def reproduce(
    table: Annotated[
        str | None, typer.Argument(help="Name of a published table, or a YAML file. See --tables.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Recipe keys to change in every row, such as epochs=5."),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FORMAT:PATH", help="Dataset; repeat it for a union.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the rows' runs.")] = None,
    listed: Annotated[bool, typer.Option("--tables", help="List the tables and stop.")] = False,
) -> None:
    """Train and evaluate every row of a published table and print ours beside the published figures.

    `resight reproduce attributes-skip --data course:/data/market-course --out tables/skip`

    Each row is a run folder below --out; the same command goes on where it was cut. Figures are of held-out identities.
    """
    from resight.cli.console import errors, output
    from resight.reproduce import load_table, tables
    from resight.reproduce import reproduce as run_table

    if listed:
        for name in tables():
            output().print(f"{name}\n    {load_table(name).title}", markup=False)
        return
    if table is None or not data or out is None:
        raise typer.BadParameter("give a table (see --tables), --data FORMAT:PATH and --out DIR")
    from rich.table import Table

    from resight.data.union import read_datasets

    loaded = load_table(table)
    dataset = read_datasets(data)
    found = run_table(
        loaded,
        dataset,
        out,
        data=data,
        overrides=overrides or [],
        tell=lambda line: errors().print(line, markup=False),
    )
    shown = Table(title=f"{loaded.title}, on {dataset.name}", title_justify="left")
    for column in ("%", *loaded.figures, *(f"published {figure}" for figure in loaded.figures)):
        shown.add_column(column, justify="left" if column == "%" else "right")
    for row, figures in zip(loaded.rows, found, strict=True):
        ours = [f"{100 * figures[figure]:.1f}" for figure in loaded.figures]
        theirs = [f"{row.published[figure]:g}" if figure in row.published else "–" for figure in loaded.figures]
        shown.add_row(row.name, *ours, *theirs)
    output().print(shown)
    output().print(f"table: {out / 'table.csv'}", markup=False)
