"""What an evaluation of masks looks like: the terminal's table and the HTML report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.records import ReidDataset
from resight.run import history
from resight.tasks.masks.evaluation import Segmentation, Segmented
from resight.views.grids import Tile, tile_grid
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["segmentation_report", "segmentation_summary", "segmentation_table"]

_SHOWN = 8
_FIGURES = ("IoU", "Dice", "IoU of the mean mask", "Dice of the mean mask")
_NOTE = (
    "Means over images, in per cent. The mean mask is one for all: where most of these images have their individual."
)


def segmentation_table(segmentation: Segmentation, title: str) -> Table:
    """IoU and Dice of every split in per cent, beside those of one mask for all images."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", caption=_NOTE, caption_justify="left")
    table.add_column("%")
    for column in ("images", *_FIGURES):
        table.add_column(column, justify="right")
    for name, figures in segmentation_summary(segmentation).items():
        table.add_row(name, f"{figures['images']:,}", *(f"{100 * figures[column]:.1f}" for column in _FIGURES))
    return table


def segmentation_summary(segmentation: Segmentation) -> dict[str, dict[str, float]]:
    """The figures of every split as plain numbers in [0, 1]."""
    return {
        name: {
            "images": len(split.records),
            "IoU": round(split.scores.mean_iou, 6),
            "Dice": round(split.scores.mean_dice, 6),
            "IoU of the mean mask": round(split.mean_mask.mean_iou, 6),
            "Dice of the mean mask": round(split.mean_mask.mean_dice, 6),
        }
        for name, split in segmentation.splits.items()
    }


def segmentation_report(
    path: str | os.PathLike[str],
    segmentation: Segmentation,
    dataset: ReidDataset,
    *,
    command: str,
    run: Path | None = None,
) -> None:
    """Write one self-contained HTML page: figures, then images with their masks, true and found."""
    report = Report(f"Masks on {dataset.name}", "Compared at the size that the model works at.")
    report.heading("Figures")
    summary = segmentation_summary(segmentation)
    rows = [
        (name, f"{figures['images']:,}", *(f"{100 * figures[column]:.1f}" for column in _FIGURES))
        for name, figures in summary.items()
    ]
    report.table(("%", "images", *_FIGURES), rows, note=_NOTE)
    _pictures(report, segmentation.judged)
    if run is not None:
        report.training(history(run / "metrics.csv"))
    report.ending(command, _facts(dataset), segmentation.failed)
    report.save(path)


def _pictures(report: Report, judged: Segmented) -> None:
    drawn = np.sort(np.random.default_rng(0).permutation(len(judged.records))[:_SHOWN])
    worst = np.argsort(judged.scores.iou, kind="stable")[:_SHOWN]
    report.heading("Masks", "First row: the image. Second: its mask. Third: the mask found, with its IoU in per cent.")
    report.image(_rows(judged, drawn), "Images drawn at random.")
    report.image(_rows(judged, worst), "The images with the lowest IoU.")


def _rows(judged: Segmented, chosen: NDArray[np.int64]) -> Image.Image:
    images = [Tile(judged.records[place].path, "unknown") for place in chosen]
    true = [Tile(_picture(judged.true[place]), "unknown") for place in chosen]
    found = [
        Tile(_picture(judged.found[place]), "unknown", f"{100 * judged.scores.iou[place]:.0f}") for place in chosen
    ]
    return tile_grid([*images, *true, *found], columns=len(chosen))


def _picture(mask: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))


def _facts(dataset: ReidDataset) -> dict[str, object]:
    return {"Dataset": dataset.name}
