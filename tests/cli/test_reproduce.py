"""`resight reproduce` as a user types it; the trainings are in the place of some that were done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resight.reproduce import Table, load_table, tables
from resight.reproduce.comparison import Comparison
from tests.support.commands import resight


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked for."""
    told: dict[str, Any] = {}

    def reproduced(table: Table, data: list[str], out: Path, **named: Any) -> Comparison:
        told.update(table=table, data=data, out=out, **named)
        named["tell"]("row 1 …")
        return Comparison(table, [{0: {"accuracy": 61.5}}, {0: {"accuracy": 64.0}}])

    monkeypatch.setattr("resight.reproduce.reproduce", reproduced)
    return told


def test_every_table_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("reproduce", "list", capsys=capsys)
    assert status == 0
    for name in tables():
        assert f"{name}: {len(load_table(name).rows)} rows" in out


def test_what_was_typed_is_what_is_run(asked: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["epochs=2", "model.hidden=8", "--data", "market1501:a", "--data", "market1501:b", "--out", tmp_path]
    words += ["--epochs", "5", "--identities", "60", "--rows", "1,2", "--seeds", "3,1,3", "--force", "model.skip=true"]
    words += ["--on", "validation"]
    status, out, err = resight("reproduce", "attributes-skip", *words, capsys=capsys)
    assert status == 0, err
    assert asked.pop("tell")
    assert asked == {
        "table": load_table("attributes-skip"), "data": ["market1501:a", "market1501:b"], "out": tmp_path,
        "overrides": ["epochs=2", "model.hidden=8"], "forced": ["model.skip=true"], "epochs": 5, "identities": 60,
        "rows": "1,2", "seeds": [3, 1], "on": "validation", "quiet": True,
    }  # fmt: skip
    assert err == "row 1 …\n"
    assert "64.0 (+2.5)" in out, "ours"
    assert "79.9 (+9.6)" in out, "the source's"
    assert f"in {tmp_path}: table.csv, table.md, curves.png, commands.txt" in out


def test_rows_keep_their_whole_names_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = [dict.fromkeys(("parameters", "multiply-adds", "file", "images/s at 1"), "1,234 of something")] * 7

    def reproduced(table: Table, *ignored: Any, **named: Any) -> Comparison:
        return Comparison(table, [{0: {"rank-1": 90.0, "mAP": 60.0}}] * 7, costs=costs)

    monkeypatch.setattr("resight.reproduce.reproduce", reproduced)
    words = ["vehicle-heads", "--data", "veri776:a", "--out", tmp_path]
    status, out, err = resight("reproduce", *words, capsys=capsys)
    assert status == 0, err
    lines = [line.split("  ")[0].strip() for line in out.splitlines()]
    for row in load_table("vehicle-heads").rows:
        assert row.name in lines
    assert all(name in out for name in costs[0])
    assert "…" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["attributes-skip", "--out", "t"], "give --data FORMAT:PATH and --out DIR"),
        (["attributes-skip", "--data", "market1501:a"], "give --data FORMAT:PATH and --out DIR"),
        (["attributes-skp", "--data", "market1501:a", "--out", "t"], "did you mean 'attributes-skip'"),
        (["attributes-skip", "--data", "market1501:a", "--out", "t", "--seeds", "0;1"], "--seeds 0;1: whole numbers"),
    ],
)
def test_bad_input_is_one_line(asked: dict, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = resight("reproduce", *words, capsys=capsys)
    assert status == 2
    assert told in err
    assert err.count("\n") == 1
    assert not asked
