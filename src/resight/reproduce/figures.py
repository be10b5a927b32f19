"""Figures of a finished run, by the names that tables use."""

from __future__ import annotations

import math
from typing import Any

from resight.recognizer import load
from resight.records import ReidDataset
from resight.reproduce.table import ATTRIBUTES, LOSSES, RETRIEVAL, Row, Table
from resight.retrieval import KReciprocal
from resight.run import Run, history
from resight.tasks.attributes.evaluation import Result
from resight.tasks.clusters.search import ClusterSearch
from resight.tasks.reid.evaluation import evaluate
from resight.tasks.splits import SplitName, searched
from resight.tasks.systems import own_training_set

__all__ = ["attribute_figures", "loss_figures", "retrieval_figures"]


def retrieval_figures(run: Run, dataset: ReidDataset, table: Table, row: Row, on: SplitName) -> dict[str, float]:
    """Figures in [0, 1] on the images that the run was fitted on, those that it held out, or query and gallery (`test`)."""
    if on != "test":
        dataset = searched(dataset, own_training_set(run, dataset), run.recipe, on)
    options: dict[str, Any] = {"protocol": table.protocol, "depth": table.depth or 0}
    name = "model"
    if row.rerank:
        name, options["rerank"] = "model, re-ranked", KReciprocal()
    elif row.clusters is not None:
        name, options["by"] = "by clusters", ClusterSearch(figure=row.clusters)
    found = evaluate(load(run.folder), dataset, **options).results[name].figures
    return {name: found[name] for name in RETRIEVAL if name in found}


def attribute_figures(result: Result, row: Row, on: SplitName) -> dict[str, float]:
    """Means over the row's targets, or over all attributes that the run recognises, in [0, 1], on the images of a split.

    Empty if there are none, or the run lacks one of the targets.
    """
    judged = result.splits.get(on)
    if judged is None or not set(row.targets) <= set(judged.scores.attributes):
        return {}
    means = {name: judged.scores.mean(figure, row.targets) for name, figure in ATTRIBUTES.items()}
    return {name: value for name, value in means.items() if not math.isnan(value)}


def loss_figures(run: Run) -> dict[str, float]:
    """The last epoch's losses, as far as the run has them."""
    curves = history(run.metrics)
    return {name: curves[column][-1][1] for name, column in LOSSES.items() if column in curves}
