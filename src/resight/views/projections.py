"""Features in two dimensions."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

__all__ = ["largest_identities", "scatter", "tsne"]

_MARKERS = "os^Dv<>PXp*h"


def tsne(features: NDArray[np.floating], seed: int = 0) -> NDArray[np.float32]:
    """t-SNE (van der Maaten and Hinton 2008) of features [N, D] in [N, 2]; over 50 dimensions, of their PCA.

    Takes some seconds for a thousand images. Fewer than five are placed by PCA alone.
    """
    values = np.asarray(features, np.float32)
    width = min(50, *values.shape)
    if len(values) < 5:
        flat = np.zeros((len(values), 2), np.float32)
        if len(values) > 1:
            placed = PCA(min(2, width)).fit_transform(values)
            flat[:, : placed.shape[1]] = placed
        return flat
    if values.shape[1] > width:
        values = PCA(width, random_state=seed).fit_transform(values)
    perplexity = min(30.0, (len(values) - 1) / 3)
    # A start by PCA of identical points divides by their spread, 0.
    start = "pca" if np.ptp(values) > 0 and values.shape[1] > 1 else "random"
    return TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(values)


def largest_identities(identities: NDArray[np.int64], count: int = 10, most: int = 1000) -> NDArray[np.int64]:
    """Positions of the images of the `count` identities (from 1) that have most images, ascending.

    Each identity has at most `most // count` images, evenly chosen, so that none displaces another.
    """
    names, sizes = np.unique(identities[identities > 0], return_counts=True)
    chosen = []
    for name in names[np.argsort(-sizes, kind="stable")[:count]]:
        places = np.flatnonzero(identities == name)
        kept = min(len(places), max(1, most // count))
        chosen.append(places[np.linspace(0, len(places) - 1, kept).astype(np.int64)])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def scatter(points: NDArray[np.floating], identities: NDArray[np.int64], cameras: NDArray[np.int64]) -> Figure:
    """Points [N, 2]: a colour for each identity, a marker for each camera."""
    import matplotlib as mpl

    figure = Figure(figsize=(8, 5.6), layout="constrained")
    axes = figure.subplots()
    palette = mpl.colormaps["tab20" if len(np.unique(identities)) > 10 else "tab10"]
    for number, identity in enumerate(np.unique(identities)):
        for place, camera in enumerate(np.unique(cameras)):
            here = (identities == identity) & (cameras == camera)
            if here.any():
                colour, marker = palette(number % palette.N), _MARKERS[place % len(_MARKERS)]
                axes.scatter(points[here, 0], points[here, 1], color=colour, marker=marker, s=40, linewidths=0)
    for number, identity in enumerate(np.unique(identities)):
        axes.scatter([], [], color=palette(number % palette.N), label=f"id {identity}")
    for place, camera in enumerate(np.unique(cameras)):
        axes.scatter([], [], color="0.4", marker=_MARKERS[place % len(_MARKERS)], label=f"camera {camera}")
    axes.set_xticks([])
    axes.set_yticks([])
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure
