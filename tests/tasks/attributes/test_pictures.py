"""Pictures of what was recognised: the images stand in the order of their confidence, framed by whether all was right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from resight.records import AttributeSchema, Record
from resight.tasks.attributes.confidence import Confidence
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.tasks.attributes.scores import score
from tests.support.grids import plain_image, tiled

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old")})
COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]


@pytest.fixture
def images(tmp_path: Path) -> list[Record]:
    """Four images, each of one colour."""
    paths = [plain_image(str(tmp_path / f"{number}.png"), colour) for number, colour in enumerate(COLOURS)]
    return [Record(path, number) for number, path in enumerate(paths, 1)]


def test_the_surest_stand_first_and_the_least_sure_in_the_other_picture(images: list[Record]) -> None:
    found = Confidence(torch.tensor([0.65, 0.9, 0.5, 0.7]), torch.tensor([2, 2, 1, 1]), torch.tensor([2, 2, 1, 2]))
    pictures = confidence_grids(images, found)
    order = [("right", COLOURS[1]), ("wrong", COLOURS[3]), ("right", COLOURS[0]), ("right", COLOURS[2])]
    assert tiled(pictures["The most confident."]) == [order]
    assert tiled(pictures["The least confident."]) == [order[::-1]], "an unknown age is not held against an image"


def test_without_images_there_is_no_picture() -> None:
    nothing = torch.empty(0)
    assert confidence_grids([], Confidence(nothing, nothing, nothing)) == {}


def test_every_attribute_has_its_confusion_matrix_of_counts() -> None:
    probabilities = {"hat": np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), "age": np.eye(3)}
    figure = confusion_chart(score(probabilities, np.array([[0, 0], [1, 1], [1, 1]]), SCHEMA).attributes)
    drawn = {
        axes.get_title(loc="left"): {text.get_position(): text.get_text() for text in axes.texts}
        for axes in figure.axes
    }
    # (column, row): what was recognised, what was annotated.
    assert drawn["hat"] == {(0, 0): "1", (0, 1): "1", (1, 1): "1"}
    assert drawn["age"] == {(0, 0): "1", (1, 1): "1", (2, 1): "1"}
