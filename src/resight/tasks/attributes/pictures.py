"""Pictures of recognised attributes: confusion matrices, the most and the least confident images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from PIL import Image

from resight.records import Record
from resight.tasks.attributes.confidence import Confidence
from resight.tasks.attributes.scores import AttributeFigures
from resight.views import charts
from resight.views.grids import Tile, tile_grid

__all__ = ["confidence_grids", "confusion_chart"]


_SHOWN = 16


def confusion_chart(attributes: Mapping[str, AttributeFigures]) -> Figure:
    """A confusion matrix for each attribute."""
    return charts.confusion_matrices({name: (found.classes, found.confusion) for name, found in attributes.items()})


def confidence_grids(records: Sequence[Record], found: Confidence) -> dict[str, Image.Image]:
    """Caption -> a grid of the most and of the least confident of N images; empty where there is no image.

    A tile is green where every known attribute is right.
    """
    order = torch.argsort(found.sure, descending=True, stable=True).tolist()

    def tile(row: int) -> Tile:
        right, known = int(found.right[row]), int(found.known[row])
        return Tile(records[row].path, "right" if right == known else "wrong", f"{found.sure[row]:.2f} {right}/{known}")

    shown = {"The most confident.": order[:_SHOWN], "The least confident.": order[::-1][:_SHOWN]}
    return {caption: tile_grid([tile(row) for row in rows]) for caption, rows in shown.items() if rows}
