"""The report of a scan for junk: its table, and the HTML page."""

from __future__ import annotations

from collections.abc import Mapping

from resight.records import UNLABELLED, Record
from resight.tasks.junk.evaluation import Result
from resight.views import charts
from resight.views.grids import Tile, Verdict, tile_grid
from resight.views.report import Report
from resight.views.tables import Table, per_cent
from resight.words import counted

__all__ = ["page", "tables"]

_A_SHEET = 64
_SHEETS = 8
_COLUMNS = ("junk", "images", "suspected", "precision", "recall", "ROC-AUC")


def tables(result: Result) -> list[Table]:
    """A table of how well the threshold detects labelled junk, and each kind of it; none where no image is labelled junk."""
    if not result.figures:
        return []
    rows = [
        [name, f"{figures.wanted:,}", f"{figures.images:,}", f"{figures.found:,}"]
        + [per_cent(value) for value in (figures.precision, figures.recall, figures.auc)]
        for name, figures in result.figures.items()
    ]
    note = "Shares in per cent. A kind of junk is compared with the images that are no junk."
    return [Table(["", *_COLUMNS], rows, "Against the labels", note)]


def page(result: Result, name: str, facts: Mapping[str, object]) -> Report:
    """The HTML page: the table, the distribution of the scores, and the suspects as pictures.

    `name` says what was scanned; `facts` stand at the end of the page.
    """
    suspects = result.suspects.tolist()
    scored = result.scored
    report = Report(
        f"Suspected junk in {name}",
        f"{len(suspects):,} of {counted(len(scored.records), 'image')} {'has' if len(suspects) == 1 else 'have'} a score ({result.score}) of {result.threshold:.4g} or more",
        facts,
        "They have no score.",
    )
    for table in tables(result):
        report.heading(table.title)
        report.show(table)
    report.heading("Scores")
    report.figure(charts.score_threshold(scored.scores, result.threshold, result.score), "Every image; the dashed line is the threshold.")  # fmt: skip
    frames = "" if not result.figures else "Green with a tick: labelled junk; red with a cross: labelled as no junk."
    report.heading("Suspects", f"Highest score first. {frames}".strip())
    for first in range(0, min(len(suspects), _A_SHEET * _SHEETS), _A_SHEET):
        rows = suspects[first : first + _A_SHEET]
        tiles = [
            Tile(scored.records[row].path, _verdict(scored.records[row], result), f"{scored.scores[row]:.3g}")
            for row in rows
        ]
        report.image(tile_grid(tiles, tile_height=96, columns=16), f"Suspects {first + 1} to {first + len(rows)}.")
    if len(suspects) > _A_SHEET * _SHEETS:
        report.text(f"{len(suspects) - _A_SHEET * _SHEETS:,} further suspects are in suspects.csv.")
    return report


def _verdict(record: Record, result: Result) -> Verdict:
    if record.junk_kind:
        return "right"
    return "wrong" if result.figures and record.identity != UNLABELLED else "unknown"
