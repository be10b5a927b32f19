"""The table of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from resight.cli import (
    associate,
    calibrate,
    cluster,
    curves,
    data,
    demo,
    embed,
    evaluate,
    export,
    gallery,
    importing,
    index,
    junk,
    predict,
    reproduce,
    search,
    serve,
    train,
    tune,
)

__all__ = ["app"]

app = typer.Typer(
    name="resight",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Find every other image of the same person or vehicle. Start with `resight demo`.",
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from resight.version import __version__

        typer.echo(f"resight {__version__}")
        raise typer.Exit


app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("import")(importing.import_command)
app.command("evaluate")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("curves")(curves.curves)
app.command("embed")(embed.embed)
app.command("predict")(predict.predict)
app.command("index")(index.index)
app.command("search")(search.search)
app.add_typer(gallery.app, name="gallery")
app.command("serve")(serve.serve)
app.command("cluster")(cluster.cluster)
app.command("associate")(associate.associate)
app.add_typer(junk.app, name="junk")
app.command("export")(export.export)
app.command("reproduce")(reproduce.reproduce)
app.command("tune")(tune.tune)
