"""The figures that stand beside ours are those that the sources printed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from resight.data.attributes import MARKET_SCHEMA
from resight.recipe import built_in_recipes
from resight.tasks.attributes.published import ATTRIBUTE_MEANS, ATTRIBUTE_TABLES

# Typed again from table 1 of the Bruna report: accuracy, precision, recall in training, then in validation.
TYPED_AGAIN = {
    "camera-6": (96.4, 97.2, 92.9, 96.6, 97.4, 93.4),
    "backpack": (85.7, 85.9, 74.2, 80.9, 78.3, 69.1),
    "hat": (98.0, 99.0, 55.6, 96.3, 98.1, 50.3),
    "lower_color": (82.6, 84.8, 74.3, 65.7, 67.8, 53.8),
}


@pytest.mark.parametrize("name", TYPED_AGAIN)
def test_rows_are_as_printed(name: str) -> None:
    assert ATTRIBUTE_TABLES["attributes-resnet18"][name] == TYPED_AGAIN[name]


def test_the_rows_have_the_printed_mean() -> None:
    """Their row "Overall": a figure mistyped by a point and a half shows in the mean of the fifteen."""
    rows = np.array(list(ATTRIBUTE_TABLES["attributes-resnet18"].values()))
    np.testing.assert_allclose(rows.mean(0), [89.9, 89.3, 74.6, 85.1, 79.0, 67.4], atol=0.06)


def test_the_mean_over_the_twelve_is_that_of_their_rows() -> None:
    table = ATTRIBUTE_TABLES["attributes-resnet18"]
    train, validation = np.split(np.array([table[name] for name in MARKET_SCHEMA.names]).mean(0), 2)
    told = ATTRIBUTE_MEANS["attributes-resnet18"].partition("over the twelve attributes")[2]
    printed = [[float(value) for value in row] for row in re.findall(r"([\d.]+) / ([\d.]+) / ([\d.]+)", told)]
    np.testing.assert_allclose(printed, [validation, train], atol=0.06)


def test_recipes_are_there_and_attributes_are_their_targets() -> None:
    assert ATTRIBUTE_TABLES.keys() <= ATTRIBUTE_MEANS.keys() <= built_in_recipes().keys()
    further = {"camera-4", "camera-6", "junk"}
    assert set(ATTRIBUTE_TABLES["attributes-resnet18"]) == {*MARKET_SCHEMA.names, *further}
