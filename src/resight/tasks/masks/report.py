"""The report of an evaluation of masks: its table, and the HTML page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.tasks.masks.evaluation import Result, Split
from resight.views.grids import Tile, tile_grid
from resight.views.report import Report
from resight.views.tables import Table, per_cent

__all__ = ["page", "tables"]

_SHOWN = 8
_FIGURES = ("IoU", "Dice", "IoU of the mean mask", "Dice of the mean mask")
_NOTE = (
    "Means over images, in per cent. The mean mask is one mask for all images: the pixels that are in most true masks."
)


def tables(result: Result) -> list[Table]:
    """A table with IoU and Dice of every split in per cent, of the model and of one mask for all images."""
    rows = [
        [name, f"{figures['images']:,}", *(per_cent(figures[column]) for column in _FIGURES)]
        for name, figures in result.summary().items()
    ]
    return [Table(["%", "images", *_FIGURES], rows, note=_NOTE)]


def page(result: Result, model: Recognizer, dataset: ReidDataset) -> Report:
    """The HTML page: the table, then images with their true and their predicted masks."""
    facts = {"Dataset": dataset.name, "Compared at": model.size}
    bars = ", without the bars of the letterbox" if model.recipe.image.resize == "letterbox" else ""
    told = f"Masks are compared at the size that the model works at, {model.size}{bars}."
    report = Report(f"Masks on {dataset.name}", told, facts)
    report.heading("Figures")
    for table in tables(result):
        report.show(table)
    _pictures(report, result.judged)
    return report


def _pictures(report: Report, judged: Split) -> None:
    drawn = np.sort(np.random.default_rng(0).permutation(len(judged.records))[:_SHOWN])
    worst = np.argsort(judged.scores.iou, kind="stable")[:_SHOWN]
    report.heading(
        "Masks",
        "First row: the image. Second row: its true mask. Third row: the predicted mask and its IoU in per cent.",
    )
    report.image(_rows(judged, drawn), "Images drawn at random.")
    report.image(_rows(judged, worst), "The images with the lowest IoU.")


def _rows(judged: Split, chosen: NDArray[np.int64]) -> Image.Image:
    images = [Tile(judged.records[place].path, "unknown") for place in chosen]
    true = [Tile(_picture(judged.true[place], judged.inside[place]), "unknown") for place in chosen]
    found = [
        Tile(_picture(judged.found[place], judged.inside[place]), "unknown", f"{100 * judged.scores.iou[place]:.0f}")
        for place in chosen
    ]
    return tile_grid([*images, *true, *found], columns=len(chosen))


def _picture(mask: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Image.Image:
    shown = mask[inside.any(1)][:, inside.any(0)]
    return Image.fromarray(np.where(shown, 255, 0).astype(np.uint8))
