"""The columns of cost: what is counted, what is measured, and how they are written."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from resight.recognizer import load
from resight.run import Run
from resight.tasks.costs import Cost, _speed, cost, cost_cells, cost_table
from tests.support.onnx_files import means, say


def test_a_run_and_its_exported_file_cost_the_same_to_count(trained: Run, exported: Path) -> None:
    run, file = cost(load(trained.folder), 0.01), cost(load(exported), 0.01)
    assert (run.parameters, run.multiply_adds) == (file.parameters, file.multiply_adds)
    assert run.file_bytes == trained.weights.stat().st_size
    assert file.file_bytes == exported.stat().st_size
    for found in (run, file):
        assert list(found.images_per_second) == [1, 64]
        assert all(speed > 0 for speed in found.images_per_second.values())


def test_a_file_of_others_does_not_say_what_it_is_made_of(tmp_path: Path) -> None:
    found = cost(load(say(means(tmp_path / "m.onnx"))), 0.01)
    assert (found.parameters, found.multiply_adds) == (None, None)
    assert found.file_bytes == (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize("kind", ["masks", "attributes", "autoencoder"])
def test_every_kind_of_run_has_a_cost(kind: str, kinds: dict[str, Path]) -> None:
    found = cost(load(kinds[kind]), 0.01)
    assert found.parameters
    assert found.multiply_adds
    assert found.images_per_second[1] > 0


def test_a_speed_is_that_of_the_best_pass_and_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, passes = [0.0], iter([5.0, 0.5, 0.125, 0.5, 0.5])

    def once() -> None:
        now[0] += next(passes)

    monkeypatch.setattr("resight.tasks.costs.time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert _speed(once, 8, 1.0) == 8 / 0.125
    assert now[0] == 5 + 1.125


def test_numbers_are_written_as_people_read_them() -> None:
    cells = cost_cells(Cost(4_923_512, 4_060_000_000, 19_682_127, {1: 1234.5, 64: 3.14}))
    assert cells == {
        "parameters": "4.92 M",
        "multiply-adds": "4.06 G",
        "file": "19.7 MB",
        "images/s at 1": "1,234",
        "images/s at 64": "3.1",
    }
    assert list(cost_cells(Cost(None, None, None, {1: math.nan})).values()) == ["–"] * 4
    slow = "not measured, as such a batch takes more than 2 seconds."
    for found, told in (
        (Cost(None, 1, 1, {1: 10.0}), " –: not known."),
        (Cost(1, 1, 1, {1: 10.0, 64: math.nan}), f" –: {slow}"),
        (Cost(1, 1, None, {1: 10.0, 64: math.nan}), f" –: not known; of images a second {slow}"),
    ):
        assert cost_table(found).note.endswith(told)
    assert "–" not in cost_table(Cost(1, 1, 1, {1: 10.0})).note
    table = cost_table(Cost(1, 1, 1, {1: 10.0, 64: 20.0}))
    assert len(table.columns) == len(table.rows[0]) == 6
    assert "core" in table.note or "measured" in table.note


def test_a_cost_is_plain_numbers_for_json() -> None:
    told = Cost(7, 9, None, {1: 2.5, 64: math.nan}).summary()
    assert told == {"parameters": 7, "multiply-adds": 9, "bytes": None, "images/s": {"1": 2.5, "64": None}}
