"""Published and measured figures side by side, each with its difference to the table's first row."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from resight.reproduce.sources import is_of_source, lines_of
from resight.reproduce.table import LOSSES, Table
from resight.views import tables

__all__ = ["Comparison", "Value"]


class Value(NamedTuple):
    """Mean and standard deviation over seeds; one seed has no deviation."""

    mean: float
    deviation: float | None = None

    def told(self, places: int, sign: str = "") -> str:
        return f"{self.mean:{sign}.{places}f}" + ("" if self.deviation is None else f" ± {self.deviation:.{places}f}")


@dataclass(frozen=True)
class Comparison:
    """A table and its measured figures: for each row seed -> figure -> value, in per cent except losses."""

    table: Table
    measured: list[dict[int, dict[str, float]]]
    conditions: list[str] = field(default_factory=list)
    """The conditions of the measured figures, a line each."""
    costs: list[dict[str, str]] = field(default_factory=list)
    """For each row name of a column -> what its model costs; empty for a row that was not run, or of an older version."""

    def published(self, row: int, figure: str) -> Value | None:
        return _one(self.table.rows[row].published, figure)

    def ours(self, row: int, figure: str) -> Value | None:
        return _over([figures[figure] for figures in self.measured[row].values() if figure in figures])

    def published_difference(self, row: int, figure: str) -> Value | None:
        """The difference to the table's first row."""
        here, first = self.published(row, figure), self.published(0, figure)
        return Value(here.mean - first.mean) if row and here and first else None

    def our_difference(self, row: int, figure: str) -> Value | None:
        """The difference to the table's first row, over the seeds that both rows were run with."""
        here, first = self.measured[row], self.measured[0]
        both = [s for s in here if figure in here[s] and figure in first.get(s, {})] if row else []
        return _over([here[seed][figure] - first[seed][figure] for seed in both])

    def cells(self) -> list[list[str]]:
        """A row of text for each row: its name, then published and ours for each figure, differences in brackets.

        Below them other published models.
        """
        return [
            [
                row.name,
                *(
                    _cell(value, difference, figure)
                    for figure in self.table.figures
                    for value, difference in (
                        (self.published(number, figure), self.published_difference(number, figure)),
                        (self.ours(number, figure), self.our_difference(number, figure)),
                    )
                ),
                *self._cost(number),
            ]
            for number, row in enumerate(self.table.rows)
        ] + [
            [
                name,
                *(text for figure in self.table.figures for text in (_cell(_one(found, figure), None, figure), "–")),
                *("–" for _ in self._priced()),
            ]
            for name, found in self.table.beside.items()
        ]

    def header(self) -> list[str]:
        figures = (f"{figure} {whose}" for figure in self.table.figures for whose in ("published", "ours"))
        return ["", *figures, *self._priced()]

    def _priced(self) -> list[str]:
        """The columns of cost."""
        return list(dict.fromkeys(name for cells in self.costs for name in cells))

    def _cost(self, row: int) -> list[str]:
        return [self.costs[row].get(name, "–") for name in self._priced()]

    def notes(self) -> list[str]:
        """Notes on how to read the table."""
        return [
            f"Published: {self.table.source}. In brackets: the difference to the first row. – : not published, or not run.",
            *([" ".join(self.table.note.split())] if self.table.note else []),
            *self.conditions,
            *self.in_sources(),
        ]

    def in_sources(self) -> list[str]:
        """What the source describes of the table and of the measured rows, where it lives here, and what differs."""
        if not is_of_source(self.table):
            return []
        measured = [number for number, seeds in enumerate(self.measured) if seeds]
        header = f"From docs/sources.md#{self.table.name}, which has a line for each thing that this source describes:"
        return [header, *lines_of(self.table, measured)]

    def shown(self) -> tables.Table:
        """For the terminal."""
        return tables.Table(self.header(), self.cells(), note="\n".join(self.notes()))

    def markdown(self) -> str:
        header, cells = self.header(), self.cells()
        rule = ["---", *["---:"] * (len(header) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in (header, rule, *cells)]
        return "\n\n".join([f"# {self.table.title}", "\n".join(lines), *self.notes()]) + "\n"

    def csv(self) -> str:
        """A column for each number; a deviation is empty where there is one seed."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        figures = self.table.figures
        kinds = ("published {}", "published {} difference", "{}", "{} deviation", "{} difference")
        header = ["row", "seeds", *(kind.format(figure) for figure in figures for kind in kinds), *self._priced()]
        writer.writerow(header)
        for number, row in enumerate(self.table.rows):
            seeds = " ".join(map(str, self.measured[number]))
            numbers = (text for figure in figures for text in self._numbers(number, figure))
            writer.writerow([row.name, seeds, *numbers, *self._cost(number)])
        for name, found in self.table.beside.items():
            columns = {f"published {figure}": f"{value:.6g}" for figure, value in found.items()}
            writer.writerow([name, "", *(columns.get(column, "") for column in header[2:])])
        return text.getvalue()

    def _numbers(self, row: int, figure: str) -> Sequence[str]:
        ours = self.ours(row, figure)
        deviation = Value(ours.deviation) if ours and ours.deviation is not None else None
        values = (
            self.published(row, figure),
            self.published_difference(row, figure),
            ours,
            deviation,
            self.our_difference(row, figure),
        )
        return [f"{value.mean:.6g}" if value else "" for value in values]


def _one(figures: dict[str, float], figure: str) -> Value | None:
    return Value(figures[figure]) if figure in figures else None


def _over(values: Sequence[float]) -> Value | None:
    if not values:
        return None
    return Value(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _cell(value: Value | None, difference: Value | None, figure: str) -> str:
    # The sources print losses to five places.
    places = 5 if figure in LOSSES else 1
    if value is None:
        return "–"
    return value.told(places) + (f" ({difference.told(places, '+')})" if difference else "")
