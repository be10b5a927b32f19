"""A mask file as two values: which files are one, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.data.masks import read_mask
from resight.errors import ImageError


def test_any_one_colour_on_black_is_a_mask(tmp_path: Path) -> None:
    true = np.zeros((8, 4), np.uint8)
    true[2:5, 1:3] = 1
    for number, colour in enumerate(((255, 255, 255), (1, 1, 1), (0, 128, 0))):
        path = tmp_path / f"{number}.png"
        Image.fromarray(true[..., None] * np.array(colour, np.uint8)).save(path)
        found = read_mask(path, (8, 4))
        np.testing.assert_array_equal(found, true)
        assert found.dtype == np.uint8


def test_a_mask_of_one_value_is_all_background_or_all_individual(tmp_path: Path) -> None:
    Image.new("L", (4, 8)).save(tmp_path / "empty.png")
    assert not read_mask(tmp_path / "empty.png").any()
    Image.new("L", (4, 8), 255).save(tmp_path / "full.png")
    assert read_mask(tmp_path / "full.png").all()


def test_other_sizes_and_values_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.new("L", (4, 8)).save(path)
    with pytest.raises(ImageError, match="mask.png: the mask has 4 × 8 pixels, its image 5 × 8"):
        read_mask(path, (8, 5))
    Image.fromarray(np.arange(32, dtype=np.uint8).reshape(8, 4)).save(path)
    with pytest.raises(ImageError, match="mask.png: the mask has 32 values; it must have two, black"):
        read_mask(path)
    Image.fromarray(np.repeat(np.array([[100], [200]], np.uint8), 4, axis=1)).save(path)
    with pytest.raises(ImageError, match="2 values; it must have two, black"):
        read_mask(path)


def test_a_mask_that_cannot_be_read_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="gone.png: no such file"):
        read_mask(tmp_path / "gone.png")
