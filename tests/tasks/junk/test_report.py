"""What a scan for junk looks like: what the threshold finds of the labelled junk, and the suspects as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.records import Record
from resight.tasks.junk import report
from resight.tasks.junk.evaluation import Scored, scan
from resight.tasks.junk.report import page as make_page
from resight.tasks.junk.report import tables
from tests.support.grids import plain_image

FACTS = {"Run": "runs/junk"}


def test_the_table_has_a_row_for_junk_and_for_each_kind(scored: Scored) -> None:
    (table,) = tables(scan(scored, "error", threshold=0.7))
    assert table.columns == ["", "junk", "images", "suspected", "precision", "recall", "ROC-AUC"]
    # Of 4 · 8 pairs of junk and no junk 0.9 and 0.8 win all, 0.7 and 0.2 lose to 0.75; 0.2 loses to 0.3 as well.
    assert table.rows == [
        ["junk", "4", "12", "4", "75.0", "75.0", "90.6"],
        ["close", "3", "11", "3", "66.7", "66.7", "87.5"],
        ["empty", "1", "9", "2", "50.0", "100.0", "100.0"],
    ]


def test_unlabelled_images_have_no_table(scored: Scored) -> None:
    bare = Scored([Record(record.path) for record in scored.records], scored.scores, [])
    assert tables(scan(bare, "error", threshold=0.7)) == []


def test_the_page_shows_figures_and_suspects(scored: Scored, tmp_path: Path) -> None:
    failed = scored._replace(failed=["bad.jpg: no image"])
    found = scan(failed, "error", threshold=0.7)
    made = make_page(found, "street", FACTS)
    made.finish(tmp_path / "r.html", command="resight junk scan", failed=found.failed)
    page = (tmp_path / "r.html").read_text()
    for words in ("Against the labels", "Suspects 1 to 4", "4 of 12 images", "0.7 or more", "close", "resight junk scan", "bad.jpg: no image", "runs/junk"):  # fmt: skip
        assert words in page, words
    assert "Green with a tick: labelled junk" in page
    bare = Scored([Record(record.path) for record in scored.records], scored.scores, [])
    make_page(scan(bare, "error"), "street", {}).save(tmp_path / "b.html")
    assert "Green with a tick" not in (tmp_path / "b.html").read_text(), "frames say nothing where nothing is labelled"


def test_more_suspects_than_the_sheets_hold_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_A_SHEET", 2)
    monkeypatch.setattr(report, "_SHEETS", 2)
    path = plain_image(str(tmp_path / "a.png"), (9, 9, 9))
    found = scan(Scored([Record(path)] * 7, np.arange(7, dtype=np.float32), []), "error", threshold=0)
    make_page(found, "street", {}).save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "Suspects 1 to 2" in page
    assert "Suspects 3 to 4" in page
    assert "3 further suspects are in suspects.csv" in page
    assert page.count("data:image/") == 2
