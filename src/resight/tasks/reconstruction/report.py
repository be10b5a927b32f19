"""The report of an evaluation of an autoencoder: its tables, and the HTML page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.tasks.pictures import reconstructed
from resight.tasks.reconstruction.evaluation import QUANTILES, SCORES, Result
from resight.views import charts
from resight.views.report import Report
from resight.views.tables import Table, per_cent
from resight.words import counted

__all__ = ["page", "tables"]

_SHOWN = 16
_EXPLAINED = (
    "error: mean squared error on the network's scale. relative: the error divided by the mean squared difference of "
    "neighbouring pixels, since smooth images have small errors whatever they show."
)


def tables(result: Result) -> list[Table]:
    """A table with the distribution of each score and, where junk is labelled, one with how well each score detects it."""
    return [_distributions(result), *_junk(result)]


def page(result: Result, model: Recognizer, dataset: ReidDataset) -> Report:
    """The HTML page: the tables, the distributions, the best and the worst reconstructions."""
    facts = {"Dataset": dataset.name, "Images": f"{len(result.records):,}", "Reconstructed at": model.size}
    report = Report(f"Reconstruction on {dataset.name}", _EXPLAINED, facts)
    for table in tables(result):
        report.heading(table.title)
        report.show(table)
    report.heading("Distributions")
    for score in SCORES:
        report.figure(charts.histograms(_by_kind(result, score), score), f"Distribution of the {score} score.")
    for score in SCORES:
        order = np.argsort(-result.scores[score], kind="stable")
        report.heading(f"By {score}", "Above: the image as the network sees it. Below: its reconstruction.")
        for chosen, caption in ((order, "highest"), (order[::-1], "lowest")):
            shown = [result.records[place] for place in chosen[:_SHOWN]]
            values = ", ".join(f"{result.scores[score][place]:.3g}" for place in chosen[:_SHOWN])
            report.image(reconstructed(model, shown), f"The {caption} scores: {values}.")
    return report


def _distributions(result: Result) -> Table:
    header = ["score", "images", "mean", *(f"{100 * share:g} %" for share in QUANTILES)]
    rows = [
        [score, str(len(values)), *(f"{value:.4g}" for value in (values.mean(), *np.quantile(values, QUANTILES)))]
        for score, values in result.scores.items()
    ]
    return Table(header, rows, "Scores", _EXPLAINED)


def _junk(result: Result) -> list[Table]:
    figures = {score: result.junk(score) for score in SCORES}
    kinds = figures[SCORES[0]]
    if not kinds:
        return []
    columns = ["junk, %", "images", *(f"{score} {figure}" for score in SCORES for figure in ("ROC-AUC", "AP"))]
    rows = []
    for kind in kinds:
        values = [value for score in SCORES for value in figures[score][kind][1:]]
        rows.append([kind, str(kinds[kind].images), *map(per_cent, values)])
    labelled = sum(bool(record.junk_kind) for record in result.records)
    note = (
        f"How well each score tells the {labelled} of {counted(len(result.records), 'image')} labelled junk from the others. "
        "A ROC-AUC of 50 is chance; below it, junk has the lower scores."
    )
    return [Table(columns, rows, "Junk", note)]


def _by_kind(result: Result, score: str) -> dict[str, NDArray[np.float32]]:
    kinds = np.array([record.junk_kind or "no junk" for record in result.records])
    return {
        kind: result.scores[score][kinds == kind] for kind in sorted(set(kinds), key=lambda kind: kind != "no junk")
    }
