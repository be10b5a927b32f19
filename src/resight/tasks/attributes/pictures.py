"""Pictures of recognised attributes: confusion matrices, the most and the least confident images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from resight.records import Record
from resight.tasks.attributes.scores import AttributeScores
from resight.views import charts
from resight.views.grids import Tile, tile_grid

__all__ = ["confidence_grids", "confusion_chart"]


_SHOWN = 16


def confusion_chart(scores: AttributeScores) -> Figure:
    """A confusion matrix for each attribute."""
    matrices = {name: (figures.classes, figures.confusion) for name, figures in scores.attributes.items()}
    return charts.confusion_matrices(matrices)


def confidence_grids(
    records: Sequence[Record], probabilities: Mapping[str, NDArray[np.floating]], targets: NDArray[np.int64]
) -> dict[str, Image.Image]:
    """Caption -> a grid of the most and of the least confident images; empty where there is no image.

    Confidence is the mean over attributes of the recognised class's probability. `probabilities` is attribute ->
    [N, classes], `targets` are the annotated classes, [N, attributes], -1 unknown. A tile is green where every known
    attribute is right.
    """
    sure = np.mean([values.max(1) for values in probabilities.values()], axis=0)
    order = np.argsort(-sure, kind="stable")
    # An image made junk for the evaluation has few known targets. Its tile would show the whole image, not the junk.
    whole = [row for row in order if (targets[row] >= 0).sum() > 3 or len(probabilities) <= 3]
    guesses = np.stack([values.argmax(1) for values in probabilities.values()], axis=1)

    def tile(row: int) -> Tile:
        known = targets[row] >= 0
        right = int(((guesses[row] == targets[row]) & known).sum())
        caption = f"{sure[row]:.2f} {right}/{known.sum()}"
        return Tile(records[row].path, "right" if right == known.sum() else "wrong", caption)

    shown = {"The most confident.": whole[:_SHOWN], "The least confident.": whole[::-1][:_SHOWN]}
    return {caption: tile_grid([tile(row) for row in rows]) for caption, rows in shown.items() if rows}
