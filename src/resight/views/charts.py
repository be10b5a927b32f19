"""Charts. Every function returns a matplotlib Figure, made without pyplot's global state."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray
from PIL import Image

from resight.errors import DataError
from resight.files import written_whole
from resight.words import counted

__all__ = [
    "COLOURS",
    "MOST_COMPARED",
    "Points",
    "attribute_imbalance",
    "camera_matrix",
    "cluster_sizes",
    "cmc_curve",
    "compared_curves",
    "confusion_matrices",
    "cut_curve",
    "dendrogram",
    "error_curve",
    "histograms",
    "images_per_identity_chart",
    "raster",
    "reliability",
    "save",
    "score_histogram",
    "score_threshold",
    "svg",
    "training_curves",
]

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f7f7f", "#b8a100")
"""Okabe and Ito's colours, which the colour-blind can tell apart."""


Points = Sequence[tuple[float, float]]
"""A curve: (epoch, value)."""

_STROKES = ("-", "--", ":", "-.")

_DASH = 4.0
"""Length of a dash, in widths of the line, where curves lie on one another."""
_COINCIDING = 0.004
"""A difference that no eye sees, as a share of a panel's height."""

MOST_COMPARED = 16
"""Curves of one panel that an eye can still tell apart."""


def attribute_imbalance(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """How many images (or people) each class of each attribute has: a group of bars for each attribute.

    `counts` is attribute -> class -> number. Attributes of two classes stand as pairs, those of more in panels below.
    """
    pairs = {name: classes for name, classes in counts.items() if len(classes) <= 2}
    many = {name: classes for name, classes in counts.items() if len(classes) > 2}
    rows = bool(pairs) + len(many)
    figure = Figure(figsize=(9, 2.6 * max(1, rows)), layout="constrained")
    panels = iter(figure.subplots(max(1, rows), 1, squeeze=False)[:, 0])
    if pairs:
        _pairs(next(panels), pairs)
    for name, classes in many.items():
        axes = next(panels)
        bars = axes.bar(list(classes), list(classes.values()), color=COLOURS[0])
        axes.bar_label(bars, fontsize=7)
        axes.set_title(name, loc="left", fontsize=10)
        _plain(axes, "images")
    return figure


def _pairs(axes: Axes, counts: Mapping[str, Mapping[str, int]]) -> None:
    for place in range(2):
        rows = [
            (number, *list(classes.items())[place])
            for number, classes in enumerate(counts.values())
            if len(classes) > place
        ]
        where = [number + (place - 0.5) * 0.4 for number, _, _ in rows]
        bars = axes.bar(where, [count for _, _, count in rows], 0.4, color=COLOURS[place])
        axes.bar_label(bars, [label for _, label, _ in rows], fontsize=7)
    axes.set_xticks(range(len(counts)), list(counts))
    _plain(axes, "images")
    axes.margins(y=0.12)


def images_per_identity_chart(counts: Sequence[int]) -> Figure:
    """Histogram of the number of images that an identity has."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    most = max(counts, default=1)
    step = max(1, math.ceil(most / 60))
    axes.hist(counts, bins=np.arange(0.5, most + step + 0.5, step).tolist(), color=COLOURS[0])
    _plain(axes, "identities")
    axes.set_xlabel("images of one identity")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return figure


def cmc_curve(curves: Mapping[str, NDArray[np.floating]]) -> Figure:
    """Cumulative match characteristics, name -> [max_rank] in [0, 1], drawn in per cent."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        label = f"{name} ({100 * curve[0]:.1f})"
        axes.plot(
            np.arange(1, len(curve) + 1),
            100 * curve,
            color=COLOURS[number % len(COLOURS)],
            label=label,
            linewidth=2,
        )
    _plain(axes, "queries with a right answer (%)")
    axes.set_xlabel("rank")
    axes.set_ylim(0, 102)
    axes.legend(frameon=False, title="rank-1 in brackets", fontsize=8, title_fontsize=8)
    return figure


def error_curve(accepted_wrongly: NDArray[np.floating], found: NDArray[np.floating], labels: tuple[str, str]) -> Figure:
    """What is gained, [P], for what goes wrong, [P] ascending, both in [0, 1]; the latter on a logarithmic scale."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    # A step up to each point; what is nought on the left has no place on the scale.
    smallest = float(accepted_wrongly[accepted_wrongly > 0].min(initial=1.0))
    least = 10.0 ** math.floor(math.log10(min(0.1, max(1e-6, smallest))))
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), 4000)).astype(np.int64))
    axes.step(np.maximum(accepted_wrongly[kept], least), 100 * found[kept], where="post", color=COLOURS[0], linewidth=2)
    axes.set_xscale("log")
    axes.set_xlim(least, 1)
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 102)
    _plain(axes, labels[1])
    axes.set_xlabel(labels[0])
    return figure


def camera_matrix(
    shares: NDArray[np.floating], counts: NDArray[np.integer], rows: Sequence[int], columns: Sequence[int], title: str
) -> Figure:
    """Shares [A, B] in [0, 1] of counted queries [A, B], in per cent; cells without a query are left empty."""
    size = 0.62
    figure = Figure(figsize=(1.4 + size * len(columns), 1.2 + size * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            ink = "white" if share > 0.55 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(columns)), list(map(str, columns)), fontsize=8)
    axes.set_yticks(range(len(rows)), list(map(str, rows)), fontsize=8)
    axes.set_xlabel("camera of the gallery", fontsize=8)
    axes.set_ylabel("camera of the query", fontsize=8)
    axes.set_title(title, loc="left", fontsize=9)
    return figure


def training_curves(columns: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Small multiples, a panel for each quantity: name -> (epoch, value) points; values that are nan leave gaps."""
    across = min(3, max(1, len(columns)))
    down = max(1, math.ceil(len(columns) / across))
    figure = Figure(figsize=(3.2 * across, 2.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, points) in zip(panels, columns.items(), strict=False):
        epochs, values = np.array(points, float).T
        axes.plot(epochs, values, color=COLOURS[0], marker="." if len(points) < 40 else None)
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes, "")
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    return figure


def compared_curves(panels: Mapping[str, Mapping[str, Sequence[Points]]]) -> Figure:
    """Curves of several runs in one picture: quantity -> name -> a curve for each repetition.

    A panel for each quantity, a colour (then a stroke) for each name, the same in all panels; repetitions share theirs.
    Curves that lie on one another share the line in dashes of their colours. Of more than `MOST_COMPARED` names the first are
    drawn, and the picture says so.
    """
    every = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    names = every[:MOST_COMPARED]
    across = min(4 if len(panels) > 9 else 3, max(1, len(panels)))
    down = max(1, math.ceil(len(panels) / across))
    width = 3.6 * max(2, across)
    columns = max(1, min(len(names), int(width / (0.5 + 0.075 * max(map(len, names), default=1)))))
    below = 0.2 * math.ceil(len(names) / columns) + 0.2 * (len(every) > len(names))
    figure = Figure(figsize=(width, 2.5 * down + below), layout="constrained")
    drawn = figure.subplots(down, across, squeeze=False).ravel()
    keys: dict[str, Line2D] = {}
    for axes, (quantity, curves) in zip(drawn, panels.items(), strict=False):
        for number, name in enumerate(names):
            for points in curves.get(name, ()):
                epochs, values = np.array(points, float).T
                (line,) = axes.plot(
                    epochs,
                    values,
                    color=COLOURS[number % len(COLOURS)],
                    linestyle=_STROKES[number // len(COLOURS) % len(_STROKES)],
                    linewidth=1.4,
                    marker="." if len(points) < 20 else None,
                    label=name,
                )
                # A copy, as the line may be broken below.
                keys.setdefault(
                    name, Line2D([], [], color=line.get_color(), linestyle=line.get_linestyle(), marker=".")
                )
        _part(axes.lines)
        axes.set_title(quantity, loc="left", fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes, "")
    for axes in drawn[len(panels) :]:
        axes.set_axis_off()
    figure.legend(
        list(keys.values()),
        list(keys),
        title=f"the first {len(names)} of {len(every)}" if len(every) > len(names) else None,
        loc="outside lower left",
        alignment="left",
        ncols=columns,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
    )
    return figure


def _part(lines: Sequence[Line2D]) -> None:
    """Make curves seen that lie on one another: those of later names in dashes over the first, each with its own stretch."""
    curves = [np.asarray(line.get_xydata(), float) for line in lines]
    heights = np.concatenate([curve[:, 1] for curve in curves]) if curves else np.zeros(1)
    near = float(np.ptp(heights[np.isfinite(heights)])) * _COINCIDING if np.isfinite(heights).any() else 0.0
    groups: list[list[int]] = []
    for number, curve in enumerate(curves):
        for group in groups:
            other = curves[group[0]]
            if curve.shape == other.shape and np.allclose(curve, other, rtol=0, atol=near, equal_nan=True):
                group.append(number)
                break
        else:
            groups.append([number])
    for group in groups:
        names = list(dict.fromkeys(lines[number].get_label() for number in group))
        for number in group:
            if place := names.index(lines[number].get_label()):
                # Of each period the first stretch shows the last name, the next the one before, and the rest the first.
                lines[number].set(linestyle=(0, (_DASH * (len(names) - place), _DASH * place)), marker="None")


def confusion_matrices(matrices: Mapping[str, tuple[Sequence[str], NDArray[np.integer]]]) -> Figure:
    """A panel for each attribute: name -> (classes, counts [annotated, recognised]); shades are shares of the annotated class."""
    across = min(4, max(1, len(matrices)))
    down = max(1, math.ceil(len(matrices) / across))
    figure = Figure(figsize=(2.6 * across, 2.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, (classes, counts)) in zip(panels, matrices.items(), strict=False):
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        small = 7 if len(classes) < 6 else 5
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ink = "white" if shares[row, column] > 0.55 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=small, color=ink)
        axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=small)
        axes.set_yticks(range(len(classes)), classes, fontsize=small)
        axes.set_title(name, loc="left", fontsize=9)
    for axes in panels[len(matrices) :]:
        axes.set_axis_off()
    figure.supylabel("annotated", fontsize=9)
    figure.supxlabel("recognised", fontsize=9)
    return figure


def score_histogram(same: NDArray[np.floating], different: NDArray[np.floating], metric: str) -> Figure:
    """Distributions of the distances of matching and of other pairs, each of area 1."""
    values = {"others": different, "same individual": same}
    return histograms(values, f"{metric} distance", colours=(COLOURS[4], COLOURS[2]))


def histograms(values: Mapping[str, NDArray[np.floating]], label: str, colours: Sequence[str] = COLOURS) -> Figure:
    """Distributions over one another, name -> numbers, each of area 1; `label` says what the numbers are."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    bins = _bins(np.concatenate(list(values.values())))
    for number, (name, numbers) in enumerate(values.items()):
        axes.hist(numbers, bins, density=True, alpha=0.6, color=colours[number % len(colours)], label=name)
    _plain(axes, "density")
    axes.set_xlabel(label)
    axes.legend(frameon=False)
    return figure


def dendrogram(merges: NDArray[np.floating], threshold: float, leaves: int = 60) -> Figure:
    """The upper part of a hierarchy (SciPy's linkage matrix), down to `leaves` branches, and the height of its cut."""
    from scipy.cluster.hierarchy import dendrogram as branches

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    with mpl.rc_context({"lines.linewidth": 1.0}):
        branches(
            merges,
            p=leaves,
            truncate_mode="lastp",
            ax=axes,
            no_labels=True,
            color_threshold=0,
            above_threshold_color=COLOURS[0],
        )
    top = 1.05 * float(merges[:, 2].max())
    if threshold <= top:
        axes.axhline(threshold, color=COLOURS[4], linewidth=1.5, linestyle="--")
        axes.annotate(f"cut at {threshold:.4g}", (1, threshold), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", fontsize=8, color=COLOURS[4])  # fmt: skip
    axes.set_ylim(0, top or None)
    _plain(axes, "height")
    return figure


def cluster_sizes(sizes: Sequence[int]) -> Figure:
    """The number of images in every cluster, the largest first; an axis of a factor of ten and more is logarithmic."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    ranked = sorted(sizes, reverse=True)
    axes.step(range(1, len(ranked) + 1), ranked, where="mid", color=COLOURS[0], linewidth=2)
    # With less, a logarithmic axis would show one number, or none.
    if len(ranked) >= 10:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, len(ranked) + 0.5)
    if ranked[0] >= 10 * ranked[-1]:
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(0, 1.05 * ranked[0])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter("")
    _plain(axes, "images")
    axes.set_xlabel("clusters, largest first")
    return figure


def cut_curve(tried: Sequence[tuple[float, int, float]], chosen: float, figure_name: str) -> Figure:
    """A score over the number of clusters for all cuts tried, (threshold, clusters, score) each, and the chosen cut."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([row[1] for row in tried], [row[2] for row in tried], color=COLOURS[0], marker=".")
    for threshold, clusters, value in tried:
        if threshold == chosen:
            axes.plot([clusters], [value], color=COLOURS[4], marker="o")
            told = f"cut at {threshold:.4g}: {counted(clusters, 'cluster')}"
            side = _side(clusters, [row[1] for row in tried])
            axes.annotate(told, (clusters, value), (0, 6), textcoords="offset points", ha=side, fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(y=0.15)
    _plain(axes, figure_name)
    axes.set_xlabel("clusters")
    return figure


def _side(clusters: int, tried: Sequence[int]) -> str:
    """Where a word at this place of a logarithmic axis begins, so that it does not reach beyond the axis."""
    low, high = math.log(min(tried)), math.log(max(tried))
    place = (math.log(clusters) - low) / ((high - low) or 1)
    return "left" if place < 0.25 else "right" if place > 0.75 else "center"


def score_threshold(scores: NDArray[np.floating], threshold: float, name: str) -> Figure:
    """Histogram of the images' scores, the counts on a logarithmic scale, with a threshold."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(scores, _bins(scores), color=COLOURS[0], log=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter("")
    axes.axvline(threshold, color=COLOURS[4], linewidth=1.5, linestyle="--")
    _plain(axes, "images")
    axes.set_xlabel(name)
    return figure


def reliability(told: NDArray[np.floating], true: NDArray[np.bool_], bins: int = 10) -> Figure:
    """Reliability diagram of probabilities [N]: the share that is true, [N], where each tenth of them was told.

    On the diagonal they hold. The bars are 95 % intervals (Wilson 1927), as if cases were independent; below are the
    numbers of cases.
    """
    places = np.minimum((told * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    there = counts > 0
    of, shares = counts[there], np.bincount(places, true, bins)[there] / counts[there]
    figure = Figure(figsize=(4.6, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot([0, 1], [0, 1], color=COLOURS[6], linewidth=1, linestyle="--", label="as often as told")
    low, high = _wilson(shares, of)
    upper.errorbar(
        np.bincount(places, told, bins)[there] / of,
        shares,
        np.clip([shares - low, high - shares], 0, None),
        color=COLOURS[0],
        marker="o",
        markersize=4,
        capsize=2,
        label="the calibration",
    )
    upper.set_ylim(-0.02, 1.02)
    _plain(upper, "share that is right")
    upper.legend(frameon=False, fontsize=8)
    lower.bar((np.arange(bins) + 0.5) / bins, counts, 0.9 / bins, color=COLOURS[0])
    _plain(lower, "pairs")
    lower.set_xlim(0, 1)
    lower.set_xlabel("probability told")
    return figure


def _wilson(shares: NDArray[np.floating], counts: NDArray[np.integer]) -> tuple[NDArray[np.floating], ...]:
    square = 1.96**2
    middle = (shares + square / (2 * counts)) / (1 + square / counts)
    half = np.sqrt(shares * (1 - shares) * square / counts + square**2 / (4 * counts**2)) / (1 + square / counts)
    return middle - half, middle + half


def _bins(values: NDArray[np.floating], count: int = 60) -> list[float]:
    """Edges of so many bins. Values too close to be parted, as scores of like images are in float32, share one of them."""
    exact = np.asarray(values, np.float64)
    close = exact.size and np.ptp(exact) < 2 * count * np.spacing(np.abs(exact).max())
    return np.histogram_bin_edges(exact[:1] if close else exact, count).tolist()


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, whole or not at all, in the format of its name's ending. Raises DataError for other endings."""
    ending = os.fspath(path).rsplit(".", 1)[-1].lower()
    if ending not in ("png", "svg", "pdf"):
        raise DataError(f"{path}: name a chart that ends in .png, .svg or .pdf")
    _literal(figure)
    with written_whole(path) as partial:
        figure.savefig(partial, format=ending, dpi=150)


def raster(figure: Figure) -> Image.Image:
    """The figure as pixels."""
    buffer = io.BytesIO()
    _literal(figure)
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer).convert("RGB")


def svg(figure: Figure, name: str = "chart") -> str:
    """The figure as SVG text for a page. The same figure gives the same text; `name` keeps two on a page apart."""
    buffer = io.StringIO()
    _literal(figure)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    prefix = re.sub(r"\W", "-", name)
    # Every figure numbers its elements from 1, and a page may hold several figures.
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", drawn)


def _literal(figure: Figure) -> None:
    """Draw every text as it is: names come from data, and a dollar sign would begin a formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # type: ignore[attr-defined]


def _plain(axes: Axes, label: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel(label)
    axes.tick_params(labelsize=8)
    formatter = axes.yaxis.get_major_formatter()
    if isinstance(formatter, ScalarFormatter):
        formatter.set_useOffset(False)  # "+1.0336e1" above an axis is not read as a part of its numbers
