"""`resight evaluate`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resight.cli.console import DataOption

if TYPE_CHECKING:
    from resight.recognizer import Recognizer
    from resight.records import ReidDataset

__all__ = ["evaluate"]

_PICTURED = 16


def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or hf:owner/name.")],
    data: DataOption,
    rerank: Annotated[bool, typer.Option("--rerank", help="Evaluate k-reciprocal re-ranking as well.")] = False,
    k1: Annotated[int, typer.Option(help="Re-ranking: neighbours that must be mutual.")] = 20,
    k2: Annotated[int, typer.Option(help="Re-ranking: neighbours that are averaged.")] = 6,
    lambda_value: Annotated[float, typer.Option("--lambda", help="Re-ranking: weight of the original distance.")] = 0.3,
    average_precision: Annotated[
        str,
        typer.Option("--ap", help="precision (the field's) or trapezoid (the datasets' own MATLAB code)."),
    ] = "precision",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="market1501, veri776, vehicleid or course; by default the recipe's, else the dataset's own. "
            "Of attributes: sources (the default) or apr."
        ),
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Evaluate chance and a colour histogram as well.")
    ] = False,
    drop_junk: Annotated[
        bool | None,
        typer.Option(
            "--drop-junk/--keep-junk",
            help="Rank images last that the run calls junk.  [default: as the recipe has it]",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="HTML report to write.  [default: RUN/report.html]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluate a run on a dataset, its own or another's.

    `resight evaluate runs/baseline --data market1501:/data/Market-1501-v15.09.15 --rerank`

    Of an embedding run, prints mAP, CMC and mINP on query and gallery; of an attribute run, accuracy, precision and
    recall of every attribute beside the majority guess and the published figures; of an autoencoder without embedding,
    the reconstruction errors and how well they point at labelled junk; of a segmentation run, IoU and Dice beside those
    of one mask for all. All write a report with pictures: of an embedding run ranked lists, where the network looked for
    a match, and the feature maps of its stages.
    """
    from resight.data.formats import data_options
    from resight.data.union import read_datasets
    from resight.recognizer import load

    dataset = read_datasets(data)
    model = load(run)
    folder = Path(run) if Path(run).is_dir() else None
    target = report or (folder or Path()) / "report.html"
    options = f" --rerank --k1 {k1} --k2 {k2} --lambda {lambda_value}" if rerank else ""
    options += f" --protocol {protocol}" if protocol else ""
    options += (f" --ap {average_precision}" if model.embeds else "") + (" --baselines" if baselines else "")
    command = shlex.join(["resight", "evaluate", run, *data_options(data)]) + options
    if not model.embeds:
        if rerank or baselines:
            raise typer.BadParameter("--rerank and --baselines are for embedding runs; this one makes no embeddings")
        if model.reconstructs:
            _reconstructions(model, dataset, folder, target, command, as_json)
            return
        if model.segments:
            _masks(model, dataset, data, folder, target, command, as_json)
            return
        _attributes(model, dataset, data, folder, protocol or "sources", target, command, as_json)
        return
    from resight.cli.console import name_failed, output, progress
    from resight.retrieval import KReciprocal
    from resight.tasks.reconstruction.report import picture_of
    from resight.tasks.reid.evaluation import compare, searchable
    from resight.tasks.reid.report import evaluation_report, figures_table

    images = sum(map(len, searchable(dataset)))
    with progress("embedding", images) as advance:
        compared = compare(
            model,
            dataset,
            rerank=KReciprocal(k1, k2, lambda_value) if rerank else None,
            average_precision=average_precision,
            protocol=protocol,
            baselines=baselines,
            drop_junk=drop_junk,
            progress=advance,
        )
    name_failed(compared.failed)
    shown = picture_of(model, compared.query.records[:_PICTURED]) if model.reconstructs else None
    evaluation_report(target, compared, dataset, command=command, run=folder, reconstructed=shown, model=model)
    if as_json:
        print(json.dumps({name: result.summary() for name, result in compared.results.items()}, indent=2))
    else:
        output().print(figures_table(compared, dataset.name))
        output().print(f"report: {target}", markup=False)


def _reconstructions(
    model: Recognizer, dataset: ReidDataset, folder: Path | None, target: Path, command: str, as_json: bool
) -> None:
    from resight.cli.console import name_failed, output, progress
    from resight.tasks.reconstruction.evaluation import images_to_reconstruct, reconstruct
    from resight.tasks.reconstruction.report import reconstruction_report, reconstruction_summary, reconstruction_tables

    records = images_to_reconstruct(dataset)
    with progress("reconstructing", len(records)) as advance:
        found = reconstruct(model, records, progress=advance)
    name_failed(found.failed)
    reconstruction_report(target, found, model, dataset, command=command, run=folder)
    if as_json:
        print(json.dumps(reconstruction_summary(found), indent=2))
    else:
        for table in reconstruction_tables(found, dataset.name):
            output().print(table)
        output().print(f"report: {target}", markup=False)


def _attributes(
    model: Recognizer,
    dataset: ReidDataset,
    data: list[str],
    folder: Path | None,
    protocol: str,
    target: Path,
    command: str,
    as_json: bool,
) -> None:
    from resight.cli.console import name_failed, output, progress
    from resight.tasks.attributes.evaluation import assess, images_to_assess
    from resight.tasks.attributes.report import assessment_report, assessment_summary, assessment_tables

    trained_here = _trained_here(folder, data)
    images = images_to_assess(model, dataset, trained_here, protocol)
    with progress("recognising", images) as advance:
        assessment = assess(model, dataset, trained_here=trained_here, protocol=protocol, progress=advance)
    name_failed(assessment.failed)
    source = model.recipe.source
    assessment_report(target, assessment, dataset, command=command, run=folder, source=source)
    if as_json:
        print(json.dumps(assessment_summary(assessment), indent=2))
    else:
        console = output()
        for table in assessment_tables(assessment, dataset.name, source, console.width):
            console.print(table)
        for name, figures in assessment_summary(assessment).items():
            told = ", ".join(
                f"{key} {100 * value:.1f}" for key in ("mA", "instance f1") if (value := figures[key]) is not None
            )
            output().print(f"{name}: {told or 'no attribute of two classes'}", markup=False)
        output().print(f"report: {target}", markup=False)


def _masks(
    model: Recognizer,
    dataset: ReidDataset,
    data: list[str],
    folder: Path | None,
    target: Path,
    command: str,
    as_json: bool,
) -> None:
    from resight.cli.console import name_failed, output, progress
    from resight.tasks.masks.evaluation import compare_masks, masked_images
    from resight.tasks.masks.report import segmentation_report, segmentation_summary, segmentation_table

    trained_here = _trained_here(folder, data)
    images = sum(map(len, masked_images(model, dataset, trained_here).values()))
    with progress("segmenting", images) as advance:
        segmentation = compare_masks(model, dataset, trained_here=trained_here, progress=advance)
    name_failed(segmentation.failed)
    segmentation_report(target, segmentation, dataset, command=command, run=folder)
    if as_json:
        print(json.dumps(segmentation_summary(segmentation), indent=2))
    else:
        output().print(segmentation_table(segmentation, dataset.name))
        output().print(f"report: {target}", markup=False)


def _trained_here(folder: Path | None, data: list[str]) -> bool:
    from resight.run import Run

    return folder is not None and Run.open(folder).trained_on(data)
