"""What an evaluation or a search looks like: the terminal's table, the ranked lists, the HTML report."""

from __future__ import annotations

import csv
import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.data.images import read_image
from resight.errors import RunError
from resight.evaluation import Compared
from resight.gallery import Hit
from resight.maps import match_maps, stage_maps
from resight.records import UNLABELLED, Record, ReidDataset
from resight.retrieval import Evaluation, distances
from resight.run import Recognizer
from resight.views import charts, projections
from resight.views.image_rows import image_rows
from resight.views.maps import coloured, overlay, strongest_channels
from resight.views.ranked_lists import RankedList, Tile, Verdict, ranked_lists, save
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["evaluation_report", "figures_table", "history", "search_picture", "training_section"]

_LISTS = 6
_LOOKS, _LOOKED_AT = 4, 6
_MAPPED, _CHANNELS = 2, 9
_COLUMNS = ("mAP", "rank-1", "rank-5", "rank-10", "rank-20", "mINP")


def figures_table(compared: Compared, title: str) -> Table:
    """The figures in per cent, a row for the model and for each thing it is compared with."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(title),
        title_justify="left",
        caption=escape(_conditions(compared)),
        caption_justify="left",
    )
    table.add_column("%")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name, result in compared.results.items():
        table.add_row(name, *_figures(result))
    return table


def search_picture(answers: Mapping[str, Sequence[Hit]], path: str | os.PathLike[str]) -> None:
    """Ranked lists of a search, a row for each query's path. Raises DataError when `path` is no picture's name."""
    rows = [
        RankedList(
            query,
            Path(query).name,
            [Tile(hit.record.path, "unknown", _caption(hit.record, hit.score)) for hit in hits],
        )
        for query, hits in answers.items()
    ]
    save(ranked_lists(rows), path)


def evaluation_report(
    path: str | os.PathLike[str],
    compared: Compared,
    dataset: ReidDataset,
    *,
    command: str,
    run: Path | None = None,
    reconstructed: Image.Image | None = None,
    model: Recognizer | None = None,
) -> None:
    """Write one self-contained HTML page: figures, CMC, ranked lists, distances and t-SNE.

    With `model` it shows where the network looks for some queries, from `run` training curves; `reconstructed` is what
    an autoencoder makes of some images. `command` is the line that made the page. Raises OSError when it cannot be
    written.
    """
    report = Report(f"Re-identification on {dataset.name}", _conditions(compared))
    report.heading("Figures")
    rows = [(name, *_figures(result)) for name, result in compared.results.items()]
    report.table(("%", *_COLUMNS), rows, note=_note(compared))
    report.figure(charts.cmc_curve({name: result.cmc for name, result in compared.results.items()}), "Cumulative match characteristic: the share of queries whose first right answer is among the nearest.")  # fmt: skip
    _ranked(report, compared)
    _mistakes(report, compared)
    if model is not None:
        _looks(report, compared, model)
        _stages(report, compared, model)
    _distances(report, compared)
    _projection(report, compared)
    if reconstructed is not None:
        report.heading("Reconstructions")
        report.image(reconstructed, "Above images as the network sees them, below what it makes of their embeddings.")
    if run is not None:
        training_section(report, run)
    report.heading("How this was made")
    report.code(command)
    report.facts(_facts(compared, dataset))
    if compared.failed:
        report.heading("Images that could not be read", "They are missing from every figure above.")
        report.table(("image",), [(line,) for line in compared.failed])
    report.save(path)


def training_section(report: Report, run: Path) -> None:
    """The curves of a run's metrics.csv, where it has one."""
    if (run / "metrics.csv").exists():
        report.heading("Training")
        report.figure(charts.training_curves(history(run / "metrics.csv")), "Per epoch, from metrics.csv of the run.")


def _figures(result: Evaluation) -> list[str]:
    summary = result.summary()
    return [f"{100 * float(summary[name]):.1f}" if name in summary else "–" for name in _COLUMNS]


def _conditions(compared: Compared) -> str:
    result = compared.result
    return (
        f"{result.protocol} protocol, {compared.metric.name} distance, "
        f"average precision by {'the precision at each hit' if result.definition == 'precision' else 'trapezoid'}"
        f" ({result.definition}), {result.summary()['queries']} queries"
    )


def _note(compared: Compared) -> str:
    missing = compared.result.without_match
    return f"{missing} queries have no right answer in the gallery and are not counted." if missing else ""


def _caption(record: Record, score: float) -> str:
    camera = f" c{record.camera}" if record.camera >= 0 else ""
    return f"{score:.3f}{camera}"


def _ranked(report: Report, compared: Compared) -> None:
    precision = compared.result.average_precision
    counted = np.flatnonzero(~np.isnan(precision))
    if not len(counted):
        return
    worst = counted[np.argsort(precision[counted], kind="stable")[:_LISTS]]
    drawn = _drawn(compared, _LISTS)
    frames = "Green with a tick: the same individual. Red with a cross: another one. Grey with a dash: left out by the protocol (junk, or the query's own camera). Under a query its identity and average precision in per cent, under an image found its distance and camera."  # fmt: skip
    report.heading("Ranked lists", frames)
    report.image(
        ranked_lists(_lists(compared, drawn)),
        "Queries drawn at random, each with its nearest gallery images.",
    )
    report.image(ranked_lists(_lists(compared, worst)), "The queries with the lowest average precision.")


def _mistakes(report: Report, compared: Compared) -> None:
    """What wrong first answers share with their query, where the data has attributes."""
    wrong = _wrong_first_answers(compared)
    query, gallery = compared.query.records, compared.gallery.records
    agreements = {}
    for name in dict.fromkeys(name for record in query for name in record.attributes):
        pairs = [(query[i].attributes.get(name), gallery[j].attributes.get(name)) for i, j in wrong]
        known = [one == other for one, other in pairs if one is not None and other is not None]
        if known:
            agreements[name] = (100 * float(np.mean(known)), 100 * _by_chance(compared, name), len(known))
    if not agreements:
        return
    report.heading("Wrong first answers", f"{len(wrong)} queries have a wrong answer first. How often it has the query's class of an attribute, and how often a random image of somebody else has it.")  # fmt: skip
    rows = [(name, f"{agrees:.1f}", f"{chance:.1f}", count) for name, (agrees, chance, count) in agreements.items()]
    report.table(("attribute, %", "wrong first answers agree", "others agree", "known of"), rows)


def _wrong_first_answers(compared: Compared) -> list[tuple[int, int]]:
    """(query, gallery image) where the nearest image that counts shows somebody else."""
    found = []
    judgement = compared.result.judgement
    for query in np.flatnonzero(compared.result.first_rank != 1).tolist():
        if np.isnan(compared.result.average_precision[query]):
            continue
        row = distances(compared.query.features[[query]], compared.gallery.features, compared.metric)[0]
        counted = np.delete(judgement.columns, judgement.left_out[query])
        found.append((query, int(counted[row[counted].argmin()])))
    return found


def _by_chance(compared: Compared, name: str) -> float:
    """Share of pairs of a query and somebody else in the gallery that agree, over the pairs where both are known."""
    sides = [[record.attributes.get(name) for record in side.records] for side in (compared.query, compared.gallery)]
    codes: dict[str | None, int] = {None: -1}
    ours, theirs = (np.array([codes.setdefault(value, len(codes)) for value in side]) for side in sides)
    other = compared.query.identities[:, None] != compared.gallery.identities
    other &= (ours >= 0)[:, None] & (theirs >= 0)
    return float((ours[:, None] == theirs)[other].mean()) if other.any() else float("nan")


def _drawn(compared: Compared, count: int) -> NDArray[np.int64]:
    """Some queries that are counted, the same in each section."""
    counted = np.flatnonzero(~np.isnan(compared.result.average_precision))
    return np.sort(np.random.default_rng(0).permutation(counted)[:count])


def _looks(report: Report, compared: Compared, model: Recognizer) -> None:
    """Where the network looks: each query's nearest images, and under each the query as it was compared with it."""
    rows = []
    for listed in _lists(compared, _drawn(compared, _LOOKS), _LOOKED_AT):
        try:
            looked = match_maps(model, [listed.query], [tile.path for tile in listed.tiles])
        except RunError as error:
            report.heading("Where the model looks")
            report.text(f"Nothing is shown: {error}.")
            return
        query = read_image(str(listed.query))
        founds = [
            replace(tile, path=overlay(read_image(str(tile.path)), look.found))
            for tile, look in zip(listed.tiles, looked, strict=True)
        ]
        queries = [Tile(overlay(query, look.query), "unknown", f"cos {look.similarity:.2f}") for look in looked]
        mean = overlay(query, np.mean([look.query for look in looked], axis=0))
        rows += [replace(listed, tiles=founds), RankedList(mean, "mean", queries)]
    if rows:
        report.heading(
            "Where the model looks",
            "Bright places add most to the cosine similarity of a query and an image found. Brightness is relative to "
            "each picture's brightest place; places that speak against the match stay as they are.",
        )
        report.image(ranked_lists(rows), "Upper rows: a query and its nearest images, as in the ranked lists. Lower rows: the same query's places, on the mean and against each of the images above.")  # fmt: skip


def _stages(report: Report, compared: Compared, model: Recognizer) -> None:
    """Maps after each stage of the network, of a few queries."""
    images = [compared.query.records[query].path for query in _drawn(compared, _MAPPED)]
    try:
        found = stage_maps(model, images) if images else []
    except RunError as error:
        report.heading("Feature maps")
        report.text(f"Nothing is shown: {error}.")
        return
    for number, (image, stages) in enumerate(zip(images, found, strict=True)):
        if not number:
            report.heading("Feature maps", "What the network computes from an image, stage after stage.")
        pixels = read_image(image)
        rows = {f"{name}: {_size(maps)}": [pixels, *_channels(maps, pixels)] for name, maps in stages.items()}
        report.image(image_rows(rows), f"A row a stage: {Path(image).name}, the mean of its channels, then those that vary most over the image, each from its least value (black) to its greatest (yellow).")  # fmt: skip


def _size(maps: NDArray[np.float32]) -> str:
    return "{} maps of {} by {}".format(*maps.shape)  # A sign for "times" is not in the pictures' font.


def _channels(maps: NDArray[np.float32], pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The mean of maps (channels, height, width) and the strongest channels, each as large as the image."""
    chosen = [maps.mean(0), *maps[strongest_channels(maps, _CHANNELS)]]
    return [coloured(values, (pixels.shape[0], pixels.shape[1])) for values in chosen]


def _lists(compared: Compared, queries: NDArray[np.int64], length: int = 10) -> list[RankedList]:
    between = distances(compared.query.features[queries], compared.gallery.features, compared.metric)
    lists = []
    for query, row in zip(queries, between, strict=True):
        record, judged = compared.query.records[query], _verdicts(compared, query)
        tiles = []
        for place in np.argsort(row, kind="stable")[:length]:
            found = compared.gallery.records[place]
            tiles.append(Tile(found.path, judged[place], _caption(found, float(row[place]))))
        # Short enough to stand under a crop twice as high as wide.
        caption = f"{record.identity} AP {100 * compared.result.average_precision[query]:.0f}"
        lists.append(RankedList(record.path, caption, tiles))
    return lists


def _verdicts(compared: Compared, query: int) -> list[Verdict]:
    """What each gallery image is to a query."""
    judgement = compared.result.judgement
    verdicts: list[Verdict] = ["junk"] * len(compared.gallery)
    for place in judgement.columns:
        verdicts[place] = "wrong"
    for place in judgement.columns[judgement.good[query]]:
        verdicts[place] = "right"
    for place in judgement.columns[judgement.left_out[query]]:
        verdicts[place] = "junk"
    return verdicts


def _distances(report: Report, compared: Compared) -> None:
    rng = np.random.default_rng(0)
    queries = np.sort(rng.permutation(len(compared.query))[:300])
    between = distances(compared.query.features[queries], compared.gallery.features, compared.metric)
    same, different = [], []
    for query, row in zip(queries, between, strict=True):
        verdicts, shown = np.array(_verdicts(compared, query)), np.isfinite(row)
        wrong = row[(verdicts == "wrong") & shown]
        same.append(row[(verdicts == "right") & shown])
        different.append(rng.choice(wrong, min(len(wrong), 100), replace=False))
    if sum(map(len, same)) and sum(map(len, different)):
        report.heading("Distances")
        figure = charts.score_histogram(np.concatenate(same), np.concatenate(different), compared.metric.name)
        report.figure(figure, "Distances of queries to images of the same individual and of others. The less the two overlap, the better a threshold works.")  # fmt: skip


def _projection(report: Report, compared: Compared) -> None:
    identities = compared.gallery.identities
    chosen = projections.largest_identities(identities)[:1000]
    if len(chosen) < 5:
        return
    points = projections.tsne(compared.gallery.features[chosen])
    figure = projections.scatter(points, identities[chosen], compared.gallery.cameras[chosen])
    report.heading("Feature space")
    report.figure(figure, "t-SNE of the gallery's ten identities with most images; one colour an identity, one marker a camera.")  # fmt: skip


def history(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The curves of a run's metrics.csv: column -> (epoch, value) points, those of epochs that have one."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name not in ("epoch", "seconds")]
    curves = {name: [(float(row["epoch"]), float(row[name])) for row in rows if row[name]] for name in names}
    return {name: points for name, points in curves.items() if points}


def _facts(compared: Compared, dataset: ReidDataset) -> dict[str, object]:
    from resight.version import __version__

    people = {identity for identity in compared.query.identities.tolist() if identity > UNLABELLED}
    return {
        "Dataset": dataset.name,
        "Queries": f"{len(compared.query):,} images of {len(people):,} identities",
        "Gallery": f"{len(compared.gallery):,} images",
        "Feature": f"{compared.query.features.shape[1]:,} dimensions",
        "Made": f"{datetime.datetime.now():%Y-%m-%d %H:%M} by resight {__version__}",
    }
