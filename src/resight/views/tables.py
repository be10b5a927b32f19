"""A table of figures, described once and shown on a terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["Table", "per_cent"]

_GAP, _EDGES = 3, 2
"""Characters between two columns, and at the table's two sides, as Rich draws them."""


@dataclass(frozen=True)
class Table:
    """Rows of text below their columns' names; the first column names the rows.

    >>> Table(["%", "mAP"], [["model", "85.3"]], note="cosine distance").terminal("street")
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    """What the table is about, where several stand together."""
    note: str = ""
    """What one must know to read it."""

    def terminal(self, title: str = "", width: int | None = None) -> list[RichTable]:
        """The table as Rich draws it, under `title` or its own; columns too many for `width` characters stand in a further one."""
        from rich.box import SIMPLE_HEAD
        from rich.markup import escape
        from rich.table import Table as RichTable

        made = []
        for columns in self._fitting(width):
            shown = RichTable(box=SIMPLE_HEAD, pad_edge=False, title_justify="left", caption_justify="left")
            shown.add_column(escape(self.columns[0]), no_wrap=True)
            for column in columns:
                shown.add_column(escape(self.columns[column]), justify="right", no_wrap=True)
            for row in self.rows:
                shown.add_row(escape(row[0]), *(escape(row[column]) for column in columns))
            made.append(shown)
        made[0].title = escape(title or self.title) or None
        made[-1].caption = escape(self.note) or None
        return made

    def _fitting(self, width: int | None) -> list[list[int]]:
        """Places of the columns behind the first, as many together as fit beside it."""
        first, *others = (
            max(map(len, [name, *(row[place] for row in self.rows)])) for place, name in enumerate(self.columns)
        )
        parts: list[list[int]] = [[]]
        taken = first + _EDGES
        for place, needed in enumerate(others, 1):
            if width is not None and parts[-1] and taken + needed + _GAP > width:
                parts.append([])
                taken = first + _EDGES
            parts[-1].append(place)
            taken += needed + _GAP
        return parts


def per_cent(share: float | None) -> str:
    """A share in [0, 1] as a cell: one digit behind the point, a dash where there is none (None, or nan)."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"
