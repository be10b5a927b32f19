"""`resight demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="people (Market-1501's layout) or vehicles (VeRi-776's).")] = "people",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to fill.  [default: resight-demo or resight-demo-vehicles]"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Recipe keys to change, such as epochs=3."),
    ] = None,
) -> None:
    """Train, evaluate and search a synthetic street, in about five minutes on two CPU cores.

    `resight demo`, then open the report whose path it prints. An interrupted demo continues when it is started again.
    """
    from resight.cli.console import output, show, tell
    from resight.cli.destinations import require_folder
    from resight.cli.options import command_line
    from resight.demo import demo as run_demo
    from resight.tasks.reid.report import tables

    folder = out or Path("resight-demo" if kind == "people" else f"resight-demo-{kind}")
    require_folder(folder)
    made = run_demo(folder, kind, overrides=overrides, command=command_line(context), tell=tell)
    console = output()
    show(tables(made.result), f"synthetic {kind}")
    right = sum(hit.record.identity == made.result.query.records[0].identity for hit in made.hits)
    console.print(
        f"search: {right} of the first {len(made.hits)} hits for {made.query} show the same individual",
        markup=False,
    )
    console.print(f"\nreport: {made.report}", markup=False)
    console.print("next, for example:", markup=False)
    following = (
        ["search", str(made.gallery), made.result.query.records[-1].path, "--picture", "ranked.jpg"],
        ["evaluate", str(made.run.folder), "--data", made.data, "--ap", "trapezoid"],
        ["train", "reid-strong-baseline", "--data", "market1501:/data/Market-1501-v15.09.15", "--out", "runs/baseline"],
    )
    for words in following:
        console.print(f"  {shlex.join(['resight', *words])}", markup=False)
