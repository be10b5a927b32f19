"""What a scan for junk looks like: the terminal's table and the HTML contact sheet."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from resight.records import UNLABELLED, Record
from resight.tasks.junk.evaluation import Scan
from resight.views import charts
from resight.views.grids import Tile, Verdict, tile_grid
from resight.views.report import Report

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["scan_report", "scan_table"]

_A_SHEET = 64
_SHEETS = 8
_COLUMNS = ("junk", "images", "suspected", "precision", "recall", "ROC-AUC")


def scan_table(found: Scan, title: str) -> Table:
    """What the threshold finds of the labelled junk, and of each kind of it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", caption=_NOTE, caption_justify="left")
    table.add_column("")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for row in _rows(found):
        table.add_row(*row)
    return table


_NOTE = "shares in per cent; a kind is held against the images that are no junk"


def scan_report(
    path: str | os.PathLike[str], found: Scan, name: str, *, command: str, facts: Mapping[str, object]
) -> None:
    """Write one self-contained HTML page: figures where labels tell, scores, and the suspects as pictures."""
    suspects = found.suspects.tolist()
    scored = found.scored
    report = Report(
        f"Suspected junk in {name}",
        f"{len(suspects):,} of {len(scored.records):,} images have a score ({found.score}) of {found.threshold:.4g} or more",
    )
    if found.figures:
        report.heading("Against the labels", _NOTE)
        report.table(("", *_COLUMNS), _rows(found))
    report.heading("Scores")
    report.figure(charts.score_threshold(scored.scores, found.threshold, found.score), "Every image; the dashed line is the threshold.")  # fmt: skip
    frames = "" if not found.figures else "Green with a tick: labelled junk; red with a cross: labelled as no junk."
    report.heading("Suspects", f"Highest score first. {frames}".strip())
    for first in range(0, min(len(suspects), _A_SHEET * _SHEETS), _A_SHEET):
        rows = suspects[first : first + _A_SHEET]
        tiles = [
            Tile(scored.records[row].path, _verdict(scored.records[row], found), f"{scored.scores[row]:.3g}")
            for row in rows
        ]
        report.image(tile_grid(tiles, tile_height=96, columns=16), f"Suspects {first + 1} to {first + len(rows)}.")
    if len(suspects) > _A_SHEET * _SHEETS:
        report.text(f"{len(suspects) - _A_SHEET * _SHEETS:,} further suspects are in suspects.csv.")
    report.ending(command, facts, scored.failed, "They have no score.")
    report.save(path)


def _rows(found: Scan) -> list[list[str]]:
    return [
        [name, f"{figures.wanted:,}", f"{figures.images:,}", f"{figures.found:,}"]
        + [_share(value) for value in (figures.precision, figures.recall, figures.auc)]
        for name, figures in found.figures.items()
    ]


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _verdict(record: Record, found: Scan) -> Verdict:
    if record.junk_kind:
        return "right"
    return "wrong" if found.figures and record.identity != UNLABELLED else "unknown"
