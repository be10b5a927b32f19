"""`resight import`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from resight.importing.flow import Imported

__all__ = ["import_command"]


def import_command(
    source: Annotated[
        str | None,
        typer.Argument(
            help="File of weights, run folder, hf:owner/name/FILE, or hf:owner/name of a run or timm model."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="Recipe keys to change, such as image.height=384 or retrieval.metric=cosine."
        ),
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="ARCHITECTURE",
            help="Network that the weights are for, such as osnet_x0_25, fastreid:sbs_R50-ibn or timm:NAME. "
            "A run, a timm model on the hub and some files say it themselves.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder to make.")] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="Licence of the weights, kept in the run.")
    ] = None,
    architectures: Annotated[bool, typer.Option("--architectures", help="List the architectures and stop.")] = False,
) -> None:
    """Make a run folder of others' weights, on which evaluate, index, search, cluster and embed work.

    `resight import osnet_x0_25_msmt17.pth.tar --as osnet_x0_25 --out runs/osnet --licence "research only"`

    Reads torchreid's and BoxMOT's OSNets and ResNets, FastReID's BoT, AGW and SBS, timm's models, and runs of resight.
    The run keeps how the weights' makers prepare images: size, interpolation, mean, deviation, and the distance that
    compares embeddings. No code that a file holds is run. What became of each key is in `keys.csv` in the run folder;
    unless every weight that the embedding depends on was found, and every key of the file has its place, nothing is
    written.
    """
    from resight.cli.console import output
    from resight.cli.destinations import require_folder
    from resight.errors import OptionError
    from resight.importing.architectures import ARCHITECTURES
    from resight.importing.flow import import_weights

    if architectures:
        for name in [*ARCHITECTURES, "timm:NAME"]:
            output().print(name, markup=False)
        return
    if source is None or out is None:
        raise OptionError("give a source and --out DIR, or --architectures")
    require_folder(out)
    _tell(import_weights(source, out, architecture, overrides or [], licence))


def _tell(imported: Imported) -> None:
    from resight.cli.console import output, remark, show
    from resight.views.tables import Table

    report, run = imported.report, imported.run
    counted = {
        "loaded": report.loaded,
        "renamed": list(report.renamed),
        "dropped": list(report.dropped),
        "missing": report.missing,
    }
    rows = [
        [outcome, str(len(keys)), ", ".join(keys[:2]) + (" …" if len(keys) > 2 else "")]
        for outcome, keys in counted.items()
    ]
    show([Table(["keys", "", "such as"], rows)], run.origin.architecture if run.origin else "")
    for note in imported.notes:
        remark(f"note: {note}")
    image, console = run.recipe.image, output()
    console.print(
        f"images: {image.height}×{image.width}, {image.resize}, {image.interpolation}, {image.colours.upper()}, "
        f"mean {_numbers(image.mean)}, deviation {_numbers(image.std)}; {run.recipe.retrieval.metric} distance",
        markup=False,
    )
    if run.origin is not None:
        console.print(f"from: {run.origin.source}\nsha256: {run.origin.sha256}", markup=False)
        unknown = "not known; ask whose weights these are before you pass them on (--licence TEXT keeps the answer)"
        console.print(f"licence: {run.origin.licence or unknown}", markup=False)
    following = shlex.join(["resight", "evaluate", str(run.folder), "--data", "FORMAT:PATH"])
    console.print(f"run: {run.folder}\nnext: {following}", markup=False)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
