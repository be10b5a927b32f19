"""The attribute table fits the terminal that it is printed on, and loses no column to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from resight.records import AttributeSchema
from resight.tasks.attributes.evaluation import Result, Split
from resight.tasks.attributes.report import tables
from resight.tasks.attributes.scores import score

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "gender": ("male", "female"), "camera-4": ("no", "yes")})


def evaluated() -> Result:
    random = np.random.default_rng(0)
    splits = {}
    for name in ("train", "validation", "test"):
        targets = random.integers(0, 2, (20, 3))
        found = {attribute: random.dirichlet(np.ones(2), 20) for attribute in SCHEMA.names}
        splits[name] = Split(score(found, targets, SCHEMA), score(found, targets, SCHEMA), [], found, targets)
    return Result(splits, SCHEMA, "sources", [], "attributes-resnet18")


@pytest.mark.parametrize(("width", "parts"), [(140, 1), (100, 2), (50, 4)])
def test_columns_that_do_not_fit_stand_in_a_further_table(width: int, parts: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    made = tables(evaluated())[0].terminal("street", width)
    assert len(made) == parts
    for table in made:
        console.print(table)
    text = console.export_text()
    assert "…" not in text, "nothing is cut"
    for line in ("96.3 98.1 50.3", "98.0 99.0 55.6"):  # the published figures of hats
        assert line in text
    for name in ("train", "validation", "test", "majority"):
        assert name in text
    assert text.count("hat ") == parts
    assert "mean of the 2 attributes" in text


def test_the_fields_figures_are_those_of_the_scores() -> None:
    result = evaluated()
    table = tables(result)[1]
    test = result.splits["test"]
    assert table.rows[2][:2] == ["test (20)", f"{100 * test.scores.mean_balanced:.1f}"]
    assert table.rows[2][-1] == f"{100 * test.scores.instance_f1:.1f}"


def test_without_a_published_table_no_column_speaks_of_one() -> None:
    columns = tables(Result(evaluated().splits, SCHEMA, "sources", []))[0].columns
    assert columns == ["%", "train", "validation", "test", "majority"]
