"""What a model must beat: colours alone, by hand on images of two colours, and features that look at nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.records import Embeddings, Record
from resight.retrieval import evaluate
from resight.tasks.reid.baselines import BASELINES, chance, colour_histogram
from tests.support.images import corrupt

RED, BLUE = (255, 0, 0), (0, 0, 255)
# Eight bins each of hue, saturation and value: red has hue 0, blue 170 of 256, both the highest of the other two.
RED_BIN, BLUE_BIN = (0 * 8 + 7) * 8 + 7, (5 * 8 + 7) * 8 + 7


def two_colours(path: Path, upper: tuple[int, int, int], lower: tuple[int, int, int]) -> Record:
    """An image of 96 × 32 pixels, six stripes of 16 rows: three of the upper colour, three of the lower one."""
    pixels = np.empty((96, 32, 3), np.uint8)
    pixels[:48], pixels[48:] = upper, lower
    Image.fromarray(pixels).save(path)
    return Record(str(path), 1)


def test_a_histogram_by_hand(tmp_path: Path) -> None:
    found = colour_histogram([two_colours(tmp_path / "a.png", RED, BLUE)])
    expected = np.zeros((6, 8**3))
    expected[:3, RED_BIN] = expected[3:, BLUE_BIN] = np.sqrt(1 / 6)
    assert found.features.dtype == np.float32
    np.testing.assert_allclose(found.features, expected.reshape(1, -1), atol=1e-6)


def test_colours_are_compared_stripe_by_stripe(tmp_path: Path) -> None:
    """The same clothes are near, the same colours the other way round are as far as can be."""
    same, again, swapped = (
        two_colours(tmp_path / f"{name}.png", *colours)
        for name, colours in (("a", (RED, BLUE)), ("b", (RED, BLUE)), ("c", (BLUE, RED)))
    )
    features = colour_histogram([same, again, swapped]).features
    assert features[0] @ features[1] == pytest.approx(1, abs=1e-5)
    assert features[0] @ features[2] == pytest.approx(0, abs=1e-5)


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    good, bad = two_colours(tmp_path / "a.png", RED, BLUE), Record(corrupt(tmp_path / "bad.jpg"))
    assert colour_histogram([bad, good]).records == [good]


def test_chance_finds_as_many_as_a_random_order() -> None:
    """Ten identities of ten images each: one in ten of the gallery is right, whatever the rank."""
    records = [Record("nowhere.png", 1 + number % 10) for number in range(1000)]
    features = chance(records)
    assert np.array_equal(features.features, chance(records).features), "the same whenever it is asked for"
    query, gallery = (Embeddings(features.features[rows], records[rows]) for rows in (slice(200), slice(200, None)))
    found = evaluate(
        query.features, gallery.features, query_ids=query.identities, gallery_ids=gallery.identities, protocol="course"
    )
    assert found.cmc[0] == pytest.approx(0.1, abs=0.06)


def test_reports_name_both() -> None:
    assert {"chance": chance, "colour histogram": colour_histogram} == BASELINES
