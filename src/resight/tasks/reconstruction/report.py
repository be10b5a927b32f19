"""What an evaluation of an autoencoder looks like: the terminal's table and the HTML report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from resight.data.images import read_image
from resight.data.loaders import resize
from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset
from resight.run import history
from resight.tasks.detection import junk_figures
from resight.tasks.reconstruction.evaluation import SCORES, Reconstructed
from resight.views import charts
from resight.views.grids import reconstructions
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["picture_of", "reconstruction_report", "reconstruction_summary", "reconstruction_tables"]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SHOWN = 16
_EXPLAINED = (
    "error: mean squared error on the network's scale; relative: the same divided by the squared mean difference of "
    "neighbouring pixels, for smooth images are reconstructed best whatever they show."
)


def reconstruction_summary(found: Reconstructed) -> dict[str, dict[str, object]]:
    """Score -> mean, quantiles and, where junk is labelled, ROC-AUC and average precision of each kind."""
    return {
        score: {
            "images": len(values),
            "mean": float(values.mean()),
            "quantiles": {str(share): float(np.quantile(values, share)) for share in _QUANTILES},
            "junk": {kind: figures._asdict() for kind, figures in junk_figures(found.records, values).items()},
        }
        for score, values in found.scores.items()
    }


def reconstruction_tables(found: Reconstructed, title: str) -> list[Table]:
    """The scores' distributions and, where junk is labelled, how well each points at it."""
    from rich.markup import escape
    from rich.table import Table

    tables = []
    for (header, rows), heading, note in zip(
        _tables(found), (title, "junk by score, %"), (_EXPLAINED, _junk_note(found)), strict=False
    ):
        table = Table(title=escape(heading), title_justify="left", caption=escape(note), caption_justify="left")
        for number, column in enumerate(header):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def reconstruction_report(
    path: str | os.PathLike[str],
    found: Reconstructed,
    model: Recognizer,
    dataset: ReidDataset,
    *,
    command: str,
    run: Path | None = None,
) -> None:
    """Write one self-contained HTML page: scores, junk figures, the best and the worst reconstructions, training."""
    report = Report(f"Reconstruction on {dataset.name}", _EXPLAINED)
    (header, rows), *junk = _tables(found)
    report.heading("Scores")
    report.table(header, rows)
    for score in SCORES:
        report.figure(charts.histograms(_by_kind(found, score), score), f"Distribution of the {score} score.")
    for columns, lines in junk:
        report.heading("Junk", "How well each score points at images labelled junk.")
        report.table(columns, lines, note=_junk_note(found))
    for score in SCORES:
        order = np.argsort(-found.scores[score], kind="stable")
        report.heading(f"By {score}", "Above the image as the network sees it, below what the network makes of it.")
        for chosen, caption in ((order, "highest"), (order[::-1], "lowest")):
            shown = [found.records[place] for place in chosen[:_SHOWN]]
            values = ", ".join(f"{found.scores[score][place]:.3g}" for place in chosen[:_SHOWN])
            report.image(picture_of(model, shown), f"The {caption} scores: {values}.")
    if run is not None:
        report.training(history(run / "metrics.csv"))
    report.ending(command, _facts(found, dataset), found.failed)
    report.save(path)


def _tables(found: Reconstructed) -> list[tuple[list[str], list[list[str]]]]:
    header = ["score", "images", "mean", *(f"{100 * share:g} %" for share in _QUANTILES)]
    rows = [
        [score, str(len(values)), *(f"{value:.4g}" for value in (values.mean(), *np.quantile(values, _QUANTILES)))]
        for score, values in found.scores.items()
    ]
    figures = {score: junk_figures(found.records, values) for score, values in found.scores.items()}
    kinds = figures[SCORES[0]]
    if not kinds:
        return [(header, rows)]
    columns = ["junk", "images", *(f"{score} {figure}" for score in SCORES for figure in ("ROC-AUC", "AP"))]
    lines = []
    for kind in kinds:
        values = [value for score in SCORES for value in figures[score][kind][1:]]
        lines.append([kind, str(kinds[kind].images), *(f"{100 * value:.1f}" for value in values)])
    return [(header, rows), (columns, lines)]


def _junk_note(found: Reconstructed) -> str:
    junk = sum(bool(record.junk_kind) for record in found.records)
    return (
        f"{junk} of {len(found.records)} images are labelled junk; chance is 50 in ROC-AUC, and below it a score points "
        "the wrong way"
    )


def _by_kind(found: Reconstructed, score: str) -> dict[str, np.ndarray]:
    kinds = np.array([record.junk_kind or "no junk" for record in found.records])
    return {kind: found.scores[score][kinds == kind] for kind in sorted(set(kinds), key=lambda kind: kind != "no junk")}


def _facts(found: Reconstructed, dataset: ReidDataset) -> dict[str, object]:
    return {
        "Dataset": dataset.name,
        "Images": f"{len(found.records):,}",
    }


def picture_of(model: Recognizer, records: Sequence[Record]) -> Image.Image:
    """Images above their reconstructions."""
    images = torch.stack([resize(read_image(record.path), model.recipe.image) for record in records])
    return reconstructions(images.numpy(), model.reconstruct_batch(images))
