"""A table described once reads the same on a terminal and on a page."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from resight.views.report import Report
from resight.views.tables import Table, per_cent

TABLE = Table(
    ["%", "mAP", "rank-1"], [["model", "85.3", "94.1"], ["chance [b]", "2.0", "–"]], "Figures", "of 12 queries"
)


def printed(table: Table, title: str = "", width: int = 100, fit: int | None = None) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    for part in table.terminal(title, fit):
        console.print(part)
    return console.export_text()


def test_terminal_and_page_show_the_same_cells() -> None:
    text = printed(TABLE)
    report = Report("street")
    report.show(TABLE)
    page = report.html()
    for cell in ("%", "mAP", "rank-1", "model", "85.3", "94.1", "chance [b]", "2.0", "of 12 queries"):
        assert cell in text
        assert cell in page


def test_the_title_given_stands_above_and_else_its_own() -> None:
    assert printed(TABLE).lstrip().startswith("Figures")
    assert printed(TABLE, "street").lstrip().startswith("street")
    assert "Figures" not in printed(TABLE, "street")


def test_columns_too_many_for_the_width_stand_in_further_tables() -> None:
    wide = Table(["row", *(f"column {number}" for number in range(5))], [["a", *"12345"]], note="n")
    assert len(wide.terminal(width=200)) == 1
    # "row" takes 3 characters, each column 8 and a gap of 3, both edges 2: two fit into 27.
    parts = wide.terminal(width=27)
    assert max(map(len, printed(wide, width=200, fit=27).splitlines())) <= 27
    assert len(wide.terminal(width=26)) == 5
    assert [len(part.columns) for part in parts] == [3, 3, 2]
    assert [part.caption for part in parts] == [None, None, "n"]
    # A column is never left out, however narrow the terminal.
    assert len(wide.terminal(width=1)) == 5


@pytest.mark.parametrize(("share", "cell"), [(0.8534, "85.3"), (1.0, "100.0"), (float("nan"), "–"), (None, "–")])
def test_shares_are_cells_in_per_cent(share: float | None, cell: str) -> None:
    assert per_cent(share) == cell
