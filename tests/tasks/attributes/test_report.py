"""The attribute table fits the terminal that it is printed on, and loses no column to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from resight.records import AttributeSchema
from resight.tasks.attributes.evaluation import Assessed, Assessment
from resight.tasks.attributes.report import assessment_tables
from resight.tasks.attributes.scores import score

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "gender": ("male", "female"), "camera-4": ("no", "yes")})


def assessment() -> Assessment:
    random = np.random.default_rng(0)
    splits = {}
    for name in ("train", "validation", "test"):
        targets = random.integers(0, 2, (20, 3))
        found = {attribute: random.dirichlet(np.ones(2), 20) for attribute in SCHEMA.names}
        splits[name] = Assessed(score(found, targets, SCHEMA), score(found, targets, SCHEMA), [], found, targets)
    return Assessment(splits, SCHEMA, "sources", [])


@pytest.mark.parametrize(("width", "tables"), [(140, 1), (100, 2), (80, 2), (50, 6)])
def test_columns_that_do_not_fit_stand_in_a_further_table(width: int, tables: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    made = assessment_tables(assessment(), "street", "attributes-resnet18", width)
    assert len(made) == tables
    for table in made:
        console.print(table)
    text = console.export_text()
    assert "…" not in text, "nothing is cut"
    for line in ("96.3 98.1 50.3", "98.0 99.0 55.6"):  # the published figures of hats
        assert line in text
    for name in ("train", "validation", "test", "majority"):
        assert name in text
    assert text.count("hat ") == tables
    assert "mean of the 2 attributes" in text
