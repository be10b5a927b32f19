"""Matrices of distances between the images of a batch, the images along both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from PIL import ImageOps

from resight.views.charts import COLOURS
from resight.views.grids import fitted

__all__ = ["MaskedMatrix", "masked_matrices"]

_MASKED = "#dcdcdc"
_NUMBERED = 20
"""So many images at most have their distances written into the cells."""
_TALL, _WIDE = 2.0, 0.5
"""Height of an image along the top, a cell wide, and width of one along the left, a cell high. Both are twice as high as
wide, as crops of people are."""
_GAP = 0.1


@dataclass(frozen=True)
class MaskedMatrix:
    """Distances of anchors (rows) to the same images (columns)."""

    title: str
    values: NDArray[np.floating]
    """[N, N], nan where masked."""
    chosen: NDArray[np.int64]
    """[N]: the column chosen in each row, -1 where none is."""


def masked_matrices(
    rows: Sequence[Sequence[MaskedMatrix]],
    images: Sequence[str],
    labels: Sequence[str],
    marked: NDArray[np.bool_],
    mark: str,
) -> Figure:
    """Matrices in rows and columns, those of a row in one scale of colours; grey cells are masked, which a legend says.

    `images` are the paths of the N images and `labels` stand beside them. The cells `marked`, bool [N, N], have a dot, which
    means `mark`, and the chosen one of each row a frame. An image that cannot be read is a crossed box.
    """
    size = max(5.0, 0.34 * (len(images) + _TALL + 1)) if len(images) <= _NUMBERED else 8.0
    across = max(len(matrices) for matrices in rows)
    figure = Figure(figsize=(size * across, (size + 0.3) * len(rows)), layout="constrained")
    pictures = [np.asarray(ImageOps.expand(fitted(path, (58, 122)), 3, "white")) for path in images]
    for panels, matrices in zip(figure.subplots(len(rows), across, squeeze=False), rows, strict=True):
        finite = np.concatenate([matrix.values[np.isfinite(matrix.values)] for matrix in matrices])
        scale = Normalize(finite.min(), finite.max()) if len(finite) else Normalize(0, 1)
        for axes, matrix in zip(panels, matrices, strict=False):
            _draw(axes, matrix, scale, marked)
            _sides(axes, pictures, labels)
    dot = Line2D([], [], marker="o", markersize=4, color="white", markeredgecolor="black", linestyle="none", label=mark)
    grey = Patch(facecolor=_MASKED, label="masked")
    frame = Patch(fill=False, edgecolor=COLOURS[4], linewidth=2, label="chosen in its row")
    figure.legend(handles=[dot, grey, frame], loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, matrix: MaskedMatrix, scale: Normalize, marked: NDArray[np.bool_]) -> None:
    colours = colormaps["viridis"].with_extremes(bad=_MASKED)
    axes.imshow(matrix.values, cmap=colours, norm=scale)
    count = len(matrix.values)
    side = min(1.0, 16 / count)
    if count <= _NUMBERED:
        for (row, column), value in np.ndenumerate(matrix.values):
            if np.isfinite(value):
                ink = "black" if scale(value) > 0.55 else "white"
                axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=6, color=ink)
    across, down = np.nonzero((marked & np.isfinite(matrix.values)).T)
    axes.scatter(across + 0.36, down - 0.36, s=7 * side, color="white", edgecolors="black", linewidths=0.4 * side)
    for row, column in enumerate(matrix.chosen.tolist()):
        if column >= 0:
            frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLOURS[4], linewidth=2 * side)
            axes.add_patch(frame)
    axes.set_title(matrix.title, loc="left", fontsize=9)


def _sides(axes: Axes, pictures: Sequence[NDArray[np.uint8]], labels: Sequence[str]) -> None:
    """The images above the matrix and to its left, and the labels outside of them."""
    count, edge = len(pictures), -0.5 - _GAP
    axes.imshow(np.concatenate(pictures, axis=1), extent=(-0.5, count - 0.5, edge, edge - _TALL))
    axes.imshow(np.concatenate(pictures, axis=0), extent=(edge - _WIDE, edge, count - 0.5, -0.5))
    axes.set_xlim(edge - _WIDE, count - 0.5)
    axes.set_ylim(count - 0.5, edge - _TALL)
    small = 7 * min(1.0, 16 / count)
    axes.set_xticks(range(count), labels, fontsize=small, rotation=90)
    axes.set_yticks(range(count), labels, fontsize=small)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
