"""Differences to the first row, by hand."""

from __future__ import annotations

import csv
import io

import pytest

from resight.reproduce import Comparison, Table

TABLE = Table.model_validate(
    {
        "title": "With and without",
        "source": "a report, table 1",
        "recipe": "reid-strong-baseline",
        "protocol": "course",
        "figures": ["mAP", "train loss"],
        "note": "Course protocol.",
        "rows": [
            {"name": "without", "published": {"mAP": 64, "train loss": 0.0167}},
            {"name": "with", "published": {"mAP": 81}},
            {"name": "never run"},
        ],
        "beside": {"another model": {"mAP": 90}},
    }
)
MEASURED: list[dict[int, dict[str, float]]] = [
    {0: {"mAP": 30.0, "train loss": 0.5}, 1: {"mAP": 34.0}},
    {0: {"mAP": 37.0}, 1: {"mAP": 47.0}, 2: {"mAP": 90.0}},
    {},
]


def test_differences_are_to_the_first_row_and_seed_by_seed() -> None:
    compared = Comparison(TABLE, MEASURED)
    assert compared.published_difference(1, "mAP") == (17, None)
    assert compared.published_difference(1, "train loss") is None
    assert compared.ours(0, "mAP") == (32, pytest.approx(8**0.5))  # 30 and 34: deviations of 2, over n - 1
    assert compared.ours(1, "mAP") == (58, pytest.approx(28.1602556))  # 37, 47 and 90
    assert compared.our_difference(1, "mAP") == (10, pytest.approx(18**0.5))  # 7 and 13; seed 2 has no first row
    assert compared.our_difference(0, "mAP") is None
    assert compared.ours(2, "mAP") is None


def test_what_is_unknown_is_a_dash() -> None:
    assert Comparison(TABLE, MEASURED).cells() == [
        ["without", "64.0", "32.0 ± 2.8", "0.01670", "0.50000"],
        ["with", "81.0 (+17.0)", "58.0 ± 28.2 (+10.0 ± 4.2)", "–", "–"],
        ["never run", "–", "–", "–", "–"],
        ["another model", "90.0", "–", "–", "–"],
    ]


def test_what_a_model_costs_stands_behind_its_figures() -> None:
    compared = Comparison(
        TABLE, MEASURED, costs=[{"parameters": "2.00 M"}, {"parameters": "3.00 M", "file": "9 MB"}, {}]
    )
    assert compared.header()[-2:] == ["parameters", "file"]
    assert [row[-2:] for row in compared.cells()] == [["2.00 M", "–"], ["3.00 M", "9 MB"], ["–", "–"], ["–", "–"]]
    rows = list(csv.DictReader(io.StringIO(compared.csv())))
    assert rows[1]["file"] == "9 MB"


def test_a_difference_needs_a_first_row() -> None:
    compared = Comparison(TABLE, [{}, {0: {"mAP": 37.0}}, {}])
    assert compared.cells()[1][2] == "37.0"


def test_files_say_the_same() -> None:
    compared = Comparison(TABLE, MEASURED, ["Ours on nobody."])
    rows = list(csv.DictReader(io.StringIO(compared.csv())))
    assert rows[1]["published mAP"] == "81"
    assert rows[1]["published mAP difference"] == "17"
    assert (rows[1]["mAP"], rows[1]["mAP difference"], rows[1]["seeds"]) == ("58", "10", "0 1 2")
    assert rows[2]["mAP"] == rows[2]["published mAP"] == ""
    text = compared.markdown()
    assert "| with | 81.0 (+17.0) | 58.0 ± 28.2 (+10.0 ± 4.2) | – | – |" in text
    for words in ("a report, table 1", "Course protocol.", "Ours on nobody."):
        assert words in text
