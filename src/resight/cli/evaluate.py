"""`resight evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resight.cli.console import DataOption

__all__ = ["evaluate"]


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
        str | None, typer.Option(help="market1501, veri776 or course; by default the dataset's own.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Evaluate chance and a colour histogram as well.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="HTML report to write.  [default: RUN/report.html]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluate a run on a dataset's query and gallery, its own or another's.

    `resight evaluate runs/baseline --data market1501:/data/Market-1501-v15.09.15 --rerank`

    Prints mAP, CMC and mINP and writes a report with ranked lists, curves and a t-SNE.
    """
    import json

    from resight.cli.console import name_failed, output, progress
    from resight.data.union import read_datasets
    from resight.evaluation import compare, searchable
    from resight.reporting import evaluation_report, figures_table
    from resight.retrieval import KReciprocal
    from resight.run import load

    dataset = read_datasets(data)
    images = sum(map(len, searchable(dataset)))
    model = load(run)
    with progress("embedding", images) as advance:
        compared = compare(
            model,
            dataset,
            rerank=KReciprocal(k1, k2, lambda_value) if rerank else None,
            average_precision=average_precision,
            protocol=protocol,
            baselines=baselines,
            progress=advance,
        )
    name_failed(compared.failed)
    if as_json:
        print(json.dumps({name: result.summary() for name, result in compared.results.items()}, indent=2))
    else:
        output().print(figures_table(compared, dataset.name))
    target = report or (Path(run) / "report.html" if Path(run).is_dir() else Path("report.html"))
    command = f"resight evaluate {run} " + " ".join(f"--data {spec}" for spec in data) + (" --rerank" if rerank else "")
    evaluation_report(target, compared, dataset, command=command, run=Path(run) if Path(run).is_dir() else None)
    if not as_json:
        output().print(f"report: {target}", markup=False)
