"""`resight demo`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from resight.words import counted

__all__ = ["demo"]


def demo(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="people (Market-1501's layout) or vehicles (VeRi-776's).")] = "people",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to fill.  [default: resight-demo or resight-demo-vehicles]"),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the page to search it in; at once where the demo is finished.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of --serve; 0 takes a free one.")] = 8765,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Recipe keys to change, such as epochs=3."),
    ] = None,
) -> None:
    """Train, evaluate and search a synthetic street, in about five minutes on two CPU cores.

    `resight demo`, then open the report whose path it prints. An interrupted demo continues when it is started again.

    `resight demo --serve` ends with a page in the browser, to search the street in.
    """
    from resight.cli.console import output, show, tell
    from resight.cli.destinations import require_folder
    from resight.cli.options import command_line, needs
    from resight.demo import demo as run_demo
    from resight.demo import finished
    from resight.tasks.reid.report import tables

    folder = out or Path("resight-demo" if kind == "people" else f"resight-demo-{kind}")
    require_folder(folder)
    needs(context, ("port",), "serve")
    if serve and not overrides and finished(folder):
        _serve(folder / "gallery", port)
        return
    made = run_demo(folder, kind, overrides=overrides, command=command_line(context), tell=tell)
    console = output()
    show(tables(made.result), f"synthetic {kind}")
    right = sum(hit.record.identity == made.result.query.records[0].identity for hit in made.hits)
    console.print(
        f"search: {right} of the first {counted(len(made.hits), 'hit')} for {made.query} show the same individual",
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
    if serve:
        _serve(made.gallery, port)
    else:
        console.print(
            f"\nsearch it in the browser: {shlex.join(['resight', 'serve', str(made.gallery)])}", markup=False
        )


def _serve(gallery: Path, port: int) -> None:
    """Serve the page; on a terminal with a desktop it opens in the browser."""
    import sys
    import threading
    import webbrowser

    from resight.cli.serve import serve

    if sys.stdout.isatty() and port:
        opening = threading.Timer(2, webbrowser.open, [f"http://127.0.0.1:{port}/"])
        opening.daemon = True
        opening.start()
    serve(str(gallery), port=port)
