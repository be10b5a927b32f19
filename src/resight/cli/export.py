"""`resight export`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from resight.cli.console import ForceOption
from resight.words import counted

if TYPE_CHECKING:
    from resight.exporting.flow import ExportedFile

__all__ = ["export"]


def export(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder of a re-identification recipe, or hf:owner/name.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="File to write: .onnx, .torchscript or .xml; with --for a folder.")
    ],
    to: Annotated[
        Literal["onnx", "torchscript", "openvino"] | None,
        typer.Option("--to", help="Format. [default: by the ending of --out; with --for onnx]"),
    ] = None,
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise",
            help="Let the file normalise images itself: it takes uint8 RGB (batch, height, width, 3) of the run's size.",
        ),
    ] = False,
    consumer: Annotated[
        Literal["boxmot"] | None,
        typer.Option("--for", help="Name the file, and write the side file, as this program reads them."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights and activations of 8 bits, by ONNX Runtime; needs --calibrate.")
    ] = False,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGES",
            help="Images for --int8: a folder of them, or FORMAT:PATH, whose training images are taken.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="FORMAT:PATH", help="Dataset to evaluate the run and the file on, side by side."
        ),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a run as a file that other programs run: ONNX, TorchScript or OpenVINO.

    `resight export runs/street --out street/model.onnx`; a file called `model.xml` is OpenVINO's, and
    `model.torchscript` TorchScript

    The input is called `images` and takes any number of them: float32 (batch, 3, height, width), RGB of the run's size,
    scaled to [0, 1] and normalised by the mean and deviation that `reid_config.json` beside the file states, or pixels
    with `--normalise`. The output `output0` are embeddings; `normalize_embeddings` in that file says whether they are
    brought to length one before they are compared. An ONNX file has the same facts in its metadata.

    The file is opened and compared with the run at batches of 1, 7 and 64, and nothing is written unless every cosine is
    above 0.9999, with `--int8` 0.95. `evaluate`, `embed` and `index` take the file in the place of a run, without
    PyTorch weights: `resight evaluate street/model.onnx --data market1501:PATH`. What `resight calibrate` made of the run
    goes into the file, but not with `--int8`, whose scores are others.

    `resight export runs/street --out street/int8.onnx --int8 --calibrate market1501:PATH --data market1501:PATH`

    Needs pip install 'resight[export]', for OpenVINO 'resight[openvino]'.
    """
    from resight.cli.console import output, remark, tell
    from resight.cli.destinations import replaced, require_file, require_folder, require_free
    from resight.data.union import read_datasets
    from resight.errors import OptionError
    from resight.exporting.flow import export as export_run
    from resight.exporting.flow import exported_name, format_of

    if int8 != (calibrate is not None):
        raise OptionError("--int8 needs --calibrate IMAGES" if int8 else "--calibrate is for --int8")
    if consumer is None:
        require_file(exported_name(out, to or format_of(out)))
        require_free(out, force)
    else:
        require_folder(out)
    anew = replaced(out) if consumer is None else ""
    dataset = read_datasets(data) if data else None
    records = None if calibrate is None else _calibration(calibrate)
    tell("exporting, and comparing with the run …")
    made = export_run(run, out, to, pixels=normalise, calibrate=records, consumer=consumer, force=force)
    console = output()
    console.print(f"{made.config.architecture} -> {made.path} ({made.size / 1e6:.1f} MB){anew}", markup=False)
    console.print(_told(made), markup=False)
    console.print(f"parity with the run: {made.parity}", markup=False)
    if made.calibrated_on:
        spared = (
            f"; the first {counted(made.spared, 'convolution stays', 'convolutions stay')} in float32, for what would be lost"
            if made.spared
            else ""
        )
        console.print(f"int8: calibrated on {counted(made.calibrated_on, 'image')}{spared}", markup=False)
    if made.config.calibration is not None:
        console.print(f"probabilities: as `resight calibrate` made them of {run}", markup=False)
    if made.left_out:
        remark(
            f"probabilities of {run} are left out: the scores of 8 bits are others; fit them by `resight calibrate {made.path}`"
        )
    licence = made.config.licence or "not known"
    console.print(f"licence of the weights: {licence}", markup=False)
    for warning in made.warnings:
        remark(f"BoxMOT: {warning}")
    if dataset is not None:
        _side_by_side(run, made.path, dataset)
    else:
        following = shlex.join(["resight", "evaluate", str(made.path), "--data", "FORMAT:PATH"])
        console.print(f"next: {following}", markup=False)


def _told(made: ExportedFile) -> str:
    told = made.config.preprocessing
    height, width = told.input_size
    colours = "RGB" if told.to_rgb else "BGR"
    if made.config.input == "uint8 NHWC":
        return f"images: uint8 (batch, {height}, {width}, 3), RGB, normalised by the file; output0: {made.config.dimension} numbers"
    mean, std = (" ".join(f"{value:.3g}" for value in values) for values in (told.mean, told.std))
    return (
        f"images: float32 (batch, 3, {height}, {width}), {colours} in [0, 1] normalised by mean {mean} and deviation {std}; "
        f"output0: {made.config.dimension} numbers"
    )


def _calibration(images: str):  # type: ignore[no-untyped-def]  # list[Record], imported late
    from resight.cli.console import images_of
    from resight.data.formats import FORMATS, read_dataset

    known = images.partition(":")[0] in FORMATS
    return images_of(images, "train" if known and read_dataset(images).train else None)


def _side_by_side(run: str, path: Path, dataset) -> None:  # type: ignore[no-untyped-def]  # a ReidDataset, imported late
    from resight.cli.console import progress, show
    from resight.recognizer import load
    from resight.tasks.costs import cost, cost_cells
    from resight.tasks.reid.evaluation import count_images, evaluate
    from resight.views.tables import Table, per_cent

    columns, rows = ["%", "mAP", "rank-1"], []
    for name, source in {"the run": run, path.name: str(path)}.items():
        model = load(source, device="cpu")
        with progress(f"evaluating {name}", count_images(model, dataset)) as advance:
            figures = evaluate(model, dataset, progress=advance).result.figures
        cells = cost_cells(cost(model))
        rows.append([name, per_cent(figures.get("mAP")), per_cent(figures.get("rank-1")), *cells.values()])
    show([Table([*columns, *cells], rows)], dataset.name)
