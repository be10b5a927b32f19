"""Masks written to files: each of its image's own size, at its image's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset
from resight.run import build_model
from resight.tasks.masks.prediction import write_predictions
from tests.support.images import corrupt


def half_bright(path: Path, width: int, height: int) -> Record:
    """An image whose left half is white and whose right half is black."""
    path.parent.mkdir(exist_ok=True)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 255
    Image.fromarray(pixels).save(path)
    return Record(str(path))


def read(path: Path) -> np.ndarray:
    with Image.open(path) as mask:
        assert (mask.format, mask.mode) == ("PNG", "L")
        return np.asarray(mask)


def test_a_mask_has_its_images_size_and_place(by_brightness: Recognizer, tmp_path: Path) -> None:
    records = [half_bright(tmp_path / "a" / "1.png", 50, 90), half_bright(tmp_path / "b" / "1.jpg", 20, 30)]
    counted: list[int] = []
    written = write_predictions(tmp_path / "found", by_brightness, records, progress=counted.append)
    assert (written.images, written.failed) == (2, [])
    assert sum(counted) == 2
    for name, shape in (("a/1.png", (90, 50)), ("b/1.png", (30, 20))):
        mask = read(tmp_path / "found" / name)
        assert mask.shape == shape
        assert set(np.unique(mask)) == {0, 255}
        # The model sees 32 × 16 pixels: the border may lie a few pixels beside the half.
        assert np.mean(mask > 0) == pytest.approx(0.5, abs=0.08)
        assert (mask[:, : shape[1] // 3] == 255).all()
        assert (mask[:, -(shape[1] // 3) :] == 0).all()


def test_a_letterboxed_mask_loses_its_bars(by_brightness: Recognizer, tiny, tmp_path: Path) -> None:
    recipe = tiny("image.height=32", "image.width=32", "image.resize=letterbox", recipe="segmentation-unet")
    model = Recognizer(by_brightness.model, recipe, device="cpu")
    sizes = {"tall": (16, 128), "flat": (160, 40)}
    records = [half_bright(tmp_path / "in" / f"{name}.png", *size) for name, size in sizes.items()]
    write_predictions(tmp_path / "found", model, records)
    for name, (width, height) in sizes.items():
        mask = read(tmp_path / "found" / f"{name}.png")
        assert mask.shape == (height, width)
        assert (mask[:, : width // 2 - width // 8] == 255).all()
        assert (mask[:, width // 2 + width // 8 :] == 0).all()


def test_unreadable_images_are_named_and_the_others_written(by_brightness: Recognizer, tmp_path: Path) -> None:
    bad = Record(corrupt(tmp_path / "bad.jpg"))
    written = write_predictions(tmp_path / "found", by_brightness, [bad, half_bright(tmp_path / "1.png", 16, 32)])
    assert written.images == 1
    assert "bad.jpg" in written.failed[0]
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["1.png"]
    with pytest.raises(DataError, match="the image could not be read"):
        write_predictions(tmp_path / "none", by_brightness, [bad])


def test_two_masks_of_one_name_are_refused_before_one_is_written(by_brightness: Recognizer, tmp_path: Path) -> None:
    twins = [half_bright(tmp_path / f"1{ending}", 16, 32) for ending in (".png", ".jpg")]
    with pytest.raises(DataError, match=r"1\.png and .*1\.jpg would both be .*found.1\.png; give one"):
        write_predictions(tmp_path / "found", by_brightness, twins)
    assert not (tmp_path / "found").exists()


def test_a_run_that_makes_no_masks_says_so(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny(recipe="junk-autoencoder")
    other = Recognizer(build_model(recipe, 1), recipe, device="cpu")
    with pytest.raises(RunError, match="this run makes no masks"):
        write_predictions(tmp_path / "found", other, crowd.query)
