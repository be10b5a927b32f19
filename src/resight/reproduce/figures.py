"""What a row is judged by: figures of a finished run, by the names that tables use."""

from __future__ import annotations

import math

from resight.assessment import assess
from resight.evaluation import compare
from resight.records import ReidDataset
from resight.reporting import history
from resight.retrieval import KReciprocal
from resight.run import Run, load

__all__ = ["ATTRIBUTES", "FIGURES", "LOSSES", "RETRIEVAL", "attribute_figures", "loss_figures", "retrieval_figures"]

RETRIEVAL = ("mAP", "rank-1", "rank-5", "rank-10", "mINP")
ATTRIBUTES = {"accuracy": "accuracy", "balanced": "recall", "precision": "precision", "recall": "recall"}
"""Figure of a table -> that of `AttributeScores.mean`; balanced accuracy and macro recall are one."""
LOSSES = {"train loss": "train/loss", "validation loss": "val/loss"}
"""Figure of a table -> column of metrics.csv, of the last epoch that has it. No per cent."""
FIGURES = (*RETRIEVAL, *ATTRIBUTES, *LOSSES)


def retrieval_figures(run: Run, dataset: ReidDataset, protocol: str, rerank: bool) -> dict[str, float]:
    """Of the dataset's query and gallery, in [0, 1]."""
    compared = compare(load(run.folder), dataset, protocol=protocol, rerank=KReciprocal() if rerank else None)
    summary = compared.results["model, re-ranked" if rerank else "model"].summary()
    return {name: float(summary[name]) for name in RETRIEVAL if name in summary}


def attribute_figures(run: Run, dataset: ReidDataset, targets: list[str]) -> dict[str, float]:
    """Means over `targets`, or over all attributes that the run recognises, in [0, 1].

    Of the annotated test images, or of the validation identities where no test image is annotated. A target that the
    run does not have has no figures.
    """
    judged = assess(load(run.folder), dataset, trained_here=True).judged
    if not set(targets) <= set(judged.scores.attributes):
        return {}
    means = {name: judged.scores.mean(figure, targets) for name, figure in ATTRIBUTES.items()}
    return {name: value for name, value in means.items() if not math.isnan(value)}


def loss_figures(run: Run) -> dict[str, float]:
    """The last epoch's losses, as far as the run has them."""
    curves = history(run.metrics)
    return {name: curves[column][-1][1] for name, column in LOSSES.items() if column in curves}
