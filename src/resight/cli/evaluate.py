"""`resight evaluate`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from resight.cli.console import DataOption

if TYPE_CHECKING:
    from resight.data.training_set import TrainingSet
    from resight.records import ReidDataset
    from resight.views.tables import Table

__all__ = ["evaluate"]

_RERANKING = "Re-ranking, of embedding runs"
_CLUSTERS = "Search by clusters, of embedding runs"


def evaluate(
    context: typer.Context,
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder, hf:owner/name, or a file that `resight export` wrote.")
    ],
    data: DataOption,
    on: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Images to judge by: those that the run was fitted on, those that it held out for validation, or the "
            "dataset's own query and gallery. The first two are for the data of its training.  [default: test; of "
            "attributes and masks validation, where no test image has any]"
        ),
    ] = None,
    rerank: Annotated[
        bool,
        typer.Option("--rerank", help="Evaluate k-reciprocal re-ranking as well.", rich_help_panel=_RERANKING),
    ] = False,
    k1: Annotated[
        int, typer.Option(help="Number of nearest neighbours that must be mutual.", rich_help_panel=_RERANKING)
    ] = 20,
    k2: Annotated[
        int, typer.Option(help="Number of nearest neighbours that are averaged.", rich_help_panel=_RERANKING)
    ] = 6,
    lambda_value: Annotated[
        float, typer.Option("--lambda", help="Weight of the original distance.", rich_help_panel=_RERANKING)
    ] = 0.3,
    expand: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Of embedding runs: evaluate a search as well in which each query is moved towards its K nearest gallery "
            "images first; of few, such as 3, it gains.",
        ),
    ] = None,
    average_precision: Annotated[
        str,
        typer.Option(
            "--ap", help="Of embedding runs: precision (the field's) or trapezoid (the datasets' own MATLAB code)."
        ),
    ] = "precision",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Of embedding runs: market1501, veri776, vehicleid or course; by default the recipe's, else the "
            "dataset's own. Of attribute runs: sources (the default) or apr."
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Of embedding runs: look at the N nearest images alone; a right answer beyond them counts as not found. "
            "0 looks at all.  [default: the recipe's retrieval.depth, else all]",
        ),
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Of embedding runs: evaluate chance and a colour histogram as well.")
    ] = False,
    drop_junk: Annotated[
        bool | None,
        typer.Option(
            "--drop-junk/--keep-junk",
            help="Of embedding runs that know junk: rank gallery images last that the run calls junk.  "
            "[default: as the recipe has it]",
        ),
    ] = None,
    by: Annotated[
        Literal["clusters"] | None,
        typer.Option(
            rich_help_panel=_CLUSTERS,
            help="Evaluate another search as well, in which the gallery is clustered hierarchically and a "
            "query retrieves the cluster of the nearest centroid. The cut is learned on the training images unless "
            "--clusters or --threshold gives it.",
        ),
    ] = None,
    clusters: Annotated[int | None, typer.Option(help="Number of clusters.", rich_help_panel=_CLUSTERS)] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Height at which the hierarchy is cut.", rich_help_panel=_CLUSTERS)
    ] = None,
    linkage: Annotated[
        str, typer.Option(help="ward, average, complete or single.", rich_help_panel=_CLUSTERS)
    ] = "ward",
    figure: Annotated[
        str,
        typer.Option(help="Score by which the cut is learned: mAP, adjusted-rand or nmi.", rich_help_panel=_CLUSTERS),
    ] = "mAP",
    memory: Annotated[
        float | None,
        typer.Option(help="Limit in GiB for a hierarchy over all pairs.  [default: 4]", rich_help_panel=_CLUSTERS),
    ] = None,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            rich_help_panel=_CLUSTERS,
            help="Cluster each query anew together with the gallery; slow, a hierarchy for each query.",
        ),
    ] = False,
    most: Annotated[
        int | None,
        typer.Option(
            help="With --anew: the most queries × gallery images to do it for.  [default: 2,000,000]",
            rich_help_panel=_CLUSTERS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="HTML report to write.  [default: RUN/report.html; of a file MODEL.onnx, MODEL.report.html beside it; of "
            "hf:owner/name, name.report.html here]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluate a run on the dataset that it was trained on, or on another one.

    `resight evaluate runs/baseline --data market1501:/data/Market-1501-v15.09.15 --rerank`

    Of an embedding run, prints mAP, CMC and mINP on query and gallery, and what a threshold on the distance would do: ROC-AUC,
    EER, and the open set's DIR. Of an attribute run, prints accuracy, precision
    and recall of every attribute, for the run, the majority guess and, where known, as published. Of an autoencoder
    without embedding, prints the reconstruction errors and how well they detect labelled junk. Of a segmentation run,
    prints IoU and Dice, for the run and for one mean mask. All write a report with pictures: of an embedding run ranked
    lists, where the network looks for a match, the feature maps of its stages and, if its mining prefers by camera, the
    distances that it chooses triplets from. Beside the figures stands what the run costs: parameters, multiply-adds, size
    of the file, images a second on this machine. An option that does not apply to the run is refused.

    `--on validation` judges by the people that training held out, with the queries and the gallery of its validation, so
    that the figures are those of metrics.csv; those that training logged besides, such as the loss, are printed as well.

    `--by clusters` is the search of the VAE report: all right answers count, and those in other clusters are not found.
    """
    from resight.cli.console import counted, name_failed, output, progress, remark, show
    from resight.cli.destinations import PAGES, replaced, require_file
    from resight.cli.options import applying, command_line, given, needs
    from resight.data.union import read_datasets
    from resight.errors import OptionError
    from resight.recognizer import load
    from resight.retrieval import KReciprocal
    from resight.retrieval.clusters import MEMORY
    from resight.retrieval.reclustering import MOST
    from resight.run import Run, history
    from resight.tasks.clusters.search import ClusterSearch
    from resight.tasks.costs import cost, cost_table
    from resight.tasks.evaluations import TASKS, room, task_of
    from resight.tasks.splits import searched

    target = report or _beside(run)
    require_file(target, PAGES, "--report")
    needs(context, ("k1", "k2", "lambda_value"), "rerank")
    needs(context, ("clusters", "threshold", "linkage", "figure", "memory", "anew"), "by")
    needs(context, ("most",), "anew")
    if (clusters is not None) + (threshold is not None) + ("figure" in given(context)) > 1:
        raise OptionError("give one of --clusters, --threshold and --figure, by which the cut is learned")
    model, dataset = load(run), read_datasets(data)
    model.tell = remark
    for note in dataset.notes:
        remark(f"note: {note}")
    folder = Path(run) if Path(run).is_dir() else None
    task = task_of(model)
    evaluation, pages = room(task, "evaluation"), room(task, "report")
    values = {
        "rerank": KReciprocal(k1, k2, lambda_value),
        "expand": expand,
        "average_precision": average_precision,
        "protocol": protocol,
        "depth": depth,
        "baselines": baselines,
        "drop_junk": drop_junk,
        "by": ClusterSearch(
            threshold,
            clusters,
            linkage,
            figure,
            MEMORY if memory is None else memory,
            anew,
            MOST if most is None else most,
        ),
    }
    functions = {kind.run: room(name, "evaluation").evaluate for name, kind in TASKS.items()}
    options = applying(context, values, functions, TASKS[task].run, run)
    whole = dataset
    own = _own_training_set(run, folder, dataset) if on in ("train", "validation") else None
    if "trained_here" in inspect.signature(evaluation.evaluate).parameters:
        here = own is not None or (folder is not None and Run.open(folder).trained_on(data))
        options |= {"trained_here": here, "on": on}
    elif own is not None and on is not None:
        dataset = searched(dataset, own, model.recipe, on)
        queries = counted(len(dataset.query), "query", "queries")
        remark(f"{dataset.name}: {queries}, {len(dataset.gallery):,} in the gallery")
    with progress("evaluating", evaluation.count_images(model, dataset, **options)) as advance:
        result = evaluation.evaluate(model, dataset, **options, progress=advance)
    logged = _validated(folder, whole) if own is not None and folder is not None and on == "validation" else {}
    older = folder is not None and not Run.open(folder).validation_state.exists()
    name_failed(result.failed)
    curves = history(folder / "metrics.csv") if folder is not None else {}
    over = replaced(target)
    spent = cost(model)
    costs = cost_table(spent)
    page = pages.page(result, model, dataset)
    page.heading("Cost")
    page.show(costs)
    page.finish(target, command=command_line(context), failed=result.failed, curves=curves)
    if as_json:
        told = {**result.summary(), **({_LOGGED: logged} if logged else {}), "cost": spent.summary()}
        print(json.dumps(told, indent=2))
    else:
        show([*pages.tables(result), *([_logged(logged, older)] if logged else []), costs], dataset.name)
        output().print(f"report: {target}{over}", markup=False)


def _beside(run: str) -> Path:
    """Where the report of a run stands by default: in its folder, beside its file, here where it is of the hub."""
    place = Path(run)
    if place.is_dir():
        return place / "report.html"
    return place.with_suffix(".report.html") if place.is_file() else Path(f"{place.name}.report.html")


_LOGGED = "as in training"


def _validated(folder: Path, dataset: ReidDataset) -> dict[str, float]:
    """The figures that training logs in validation; imported here, since only they want Lightning."""
    from resight.training import validate

    return validate(folder, dataset)


def _logged(figures: dict[str, float], older: bool) -> Table:
    from resight.views.tables import Table

    note = (
        "What validation logs, of the weights that are kept: metrics.csv at the best epoch. Shares are not in per cent."
    )
    if older:
        note += " An earlier version made this run: losses whose own weights adapt have them as training left them."
    return Table([_LOGGED, *figures], [["validation", *(f"{value:.5g}" for value in figures.values())]], note=note)


def _own_training_set(run: str, folder: Path | None, dataset: ReidDataset) -> TrainingSet:
    """What a run was trained on. Raises OptionError for a run of the hub, RunError for other data than its training's."""
    from resight.errors import OptionError
    from resight.run import Run
    from resight.tasks.systems import own_training_set

    if folder is None:
        raise OptionError(f"--on train and --on validation are for a run folder; {run} is none here")
    return own_training_set(Run.open(folder), dataset)
