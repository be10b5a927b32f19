"""The attribute table fits the terminal that it is printed on and loses no column to it; the page holds the same figures."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from resight.data.formats import read_dataset
from resight.recognizer import load
from resight.records import AttributeSchema
from resight.run import Run
from resight.tasks.attributes.evaluation import Result, Split
from resight.tasks.attributes.report import page as make_page
from resight.tasks.attributes.report import tables
from resight.tasks.attributes.scores import score

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "gender": ("male", "female"), "camera-4": ("no", "yes")})


def by_chance() -> Result:
    """Three splits of twenty images, recognised at random."""
    random = np.random.default_rng(0)
    splits = {}
    for name in ("train", "validation", "test"):
        targets = random.integers(0, 2, (20, 3))
        found = {attribute: random.dirichlet(np.ones(2), 20) for attribute in SCHEMA.names}
        scores = score(found, targets, SCHEMA)
        splits[name] = Split(scores, scores, [], found, targets, np.zeros(20, bool))
    return Result(splits, SCHEMA, "sources", [], "attributes-resnet18")


@pytest.mark.parametrize(("width", "parts"), [(140, 1), (100, 2), (50, 6)])
def test_columns_that_do_not_fit_stand_in_a_further_table(width: int, parts: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    made = tables(by_chance())[0].terminal("street", width)
    assert len(made) == parts
    for table in made:
        console.print(table)
    text = console.export_text()
    assert "…" not in text, "nothing is cut"
    for line in ("96.3 98.1 50.3", "98.0 99.0 55.6"):  # the published figures of hats
        assert line in text
    for name in ("train", "validation", "test", "majority"):
        assert name in text
    assert len(re.findall(r"^ *hat ", text, re.MULTILINE)) == parts
    assert "mean of the 2 attributes" in text


def test_the_fields_figures_are_those_of_the_scores() -> None:
    result = by_chance()
    table = tables(result)[1]
    test = result.splits["test"]
    assert table.rows[2][:2] == ["test (20)", f"{100 * test.scores.mean_balanced:.1f}"]
    assert table.rows[2][-1] == f"{100 * test.scores.instance_f1:.1f}"


def test_without_a_published_table_no_column_speaks_of_one() -> None:
    columns = tables(Result(by_chance().splits, SCHEMA, "sources", []))[0].columns
    assert columns == ["%", "train", "validation", "test", "majority"]


def test_it_is_told_which_attributes_are_not_above_sixty_per_cent() -> None:
    schema = AttributeSchema(dict.fromkeys(("hat", "bag", "up", "hair", "camera-4"), ("no", "yes")))
    # Of five images each: 5, 3 and 4 right, none annotated, and a camera of 1.
    right = {"hat": 5, "bag": 3, "up": 4, "hair": 0, "camera-4": 1}
    found = {name: np.eye(2)[[0] * count + [1] * (5 - count)] for name, count in right.items()}
    targets = np.zeros((5, 5), np.int64)
    targets[:, 3] = -1
    scores = score(found, targets, schema)
    split = Split(scores, scores, [], found, targets, np.zeros(5, bool))
    result = Result({"validation": split, "train": split}, schema, "sources", [])
    table = tables(result)[0]
    assert table.rows[-1] == ["accuracy above 60 %", "2 of 3", "2 of 3", "2 of 3"]
    assert "Accuracy not above 60 % (validation): bag 60.0." in table.note
    summary = result.summary()["validation"]
    assert (summary["attributes above 60 %"], summary["attributes below"]) == (2, 1)
    assert scores.mean("accuracy", scores.own) == (1 + 0.6 + 0.8) / 3


def test_the_sources_targets_stand_beside_what_it_printed(evaluated: Result) -> None:
    per_attribute = tables(evaluated)[0]
    rows = {row[0]: row[1:] for row in per_attribute.rows}
    means = ["mean of the 12 attributes", "mean of all 15"]
    assert list(rows) == [*evaluated.schema.names, *means, "accuracy above 60 %"]
    assert rows["accuracy above 60 %"][-2:] == ["12 of 12", "12 of 12"], "as printed"
    assert rows["backpack"][-2:] == ["85.7 85.9 74.2", "80.9 78.3 69.1"]
    assert "validation accuracy 85.1" in per_attribute.note
    mean = evaluated.splits["test"].scores.mean("accuracy")
    assert rows["mean of all 15"][2].split()[0] == f"{100 * mean:.1f}"


def test_the_page_holds_tables_pictures_and_what_could_not_be_read(
    evaluated: Result, run: Run, street: str, tmp_path: Path
) -> None:
    made = make_page(evaluated, load(run.folder), read_dataset(street))
    made.finish(tmp_path / "r.html", command="resight evaluate run", failed=["bad.jpg: no image"])
    page = (tmp_path / "r.html").read_text()
    for words in ("Per attribute", "80.9 78.3 69.1", "Confusion matrices", "bad.jpg: no image", "resight evaluate run"):
        assert words in page, words
    for name in ("train", "validation", "test"):
        assert f"Confusion matrices: {name}" in page
        assert f"Confidence: {name}" in page
    assert page.count("<img") == 3 * 2, "the most and the least confident images"
    assert "Images of validation" in page
