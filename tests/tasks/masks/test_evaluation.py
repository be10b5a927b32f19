"""IoU and Dice of the masks that a model finds, worked out by hand, beside those of one mask for all images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from resight.data.splits import held_out
from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset
from resight.run import build_model
from resight.tasks.masks.evaluation import Result, count_images, evaluate
from resight.tasks.masks.report import page
from tests.support.images import corrupt


def test_figures_by_hand(by_brightness: Recognizer, masked: ReidDataset) -> None:
    result = evaluate(by_brightness, masked, trained_here=False)
    split = result.judged
    assert split.scores.iou.tolist() == [1, 0.5, 0]
    assert split.scores.dice.tolist() == [1, pytest.approx(2 / 3), 0]
    # One mask for all: where two of the three masks are, the left quarter and the lower part of the next one, 192 pixels.
    assert split.mean_mask.iou.tolist() == pytest.approx([192 / 256, 128 / 192, 128 / 320])
    assert result.summary() == {
        "all": {
            "images": 3,
            "IoU": 0.5,
            "Dice": pytest.approx(5 / 9, abs=1e-6),
            "IoU of the mean mask": pytest.approx((0.75 + 2 / 3 + 0.4) / 3, abs=1e-6),
            "Dice of the mean mask": pytest.approx((2 * 192 / 448 + 2 * 128 / 320 + 2 * 128 / 448) / 3, abs=1e-6),
        }
    }


def test_bars_are_neither_found_nor_true(everything: nn.Module, tiny, tmp_path: Path) -> None:
    recipe = tiny("image.height=32", "image.width=32", "image.resize=letterbox", recipe="segmentation-unet")
    model, records = Recognizer(everything, recipe, device="cpu"), []
    for name, shape in (("tall", (64, 16)), ("flat", (20, 80))):
        mask = np.zeros(shape, np.uint8)
        mask[: shape[0] // 2] = 255
        for ending, pixels in (("", np.full((*shape, 3), 9, np.uint8)), ("-mask", mask)):
            Image.fromarray(pixels).save(tmp_path / f"{name}{ending}.png")
        records.append(Record(str(tmp_path / f"{name}.png"), mask=str(tmp_path / f"{name}-mask.png")))
    split = evaluate(model, ReidDataset("bars", train=records), trained_here=False).judged
    assert split.scores.iou.tolist() == [0.5, 0.5], "the upper half of each image, whatever stands around it"
    assert split.found.sum((1, 2)).tolist() == [32 * 8, 8 * 32]
    assert [shown(split.inside[place]).shape for place in (0, 1)] == [(32, 8), (8, 32)]
    assert "without the bars of the letterbox" in page(Result({"all": split}, []), model, ReidDataset("bars")).html()


def shown(inside: np.ndarray) -> np.ndarray:
    return inside[inside.any(1)][:, inside.any(0)]


def test_images_without_a_mask_are_not_looked_at(by_brightness: Recognizer, masked: ReidDataset) -> None:
    more = replace(masked, gallery=[replace(masked.train[0], mask=None)])
    assert count_images(by_brightness, more, trained_here=False) == 3
    assert evaluate(by_brightness, more, trained_here=False).judged.records == list(masked.train)


def test_the_run_on_its_own_data_has_a_split_that_it_did_not_see(
    by_brightness: Recognizer, masked: ReidDataset, tiny
) -> None:
    held = Recognizer(by_brightness.model, tiny("validation.ratio=0.34", recipe="segmentation-unet"), device="cpu")
    fitted, kept = held_out(masked.train, 0.34, held.recipe.seed)
    result = evaluate(held, masked, trained_here=True)
    assert {name: split.records for name, split in result.splits.items()} == {"train": fitted, "validation": kept}
    assert result.judged is result.splits["validation"]


def test_what_cannot_be_read_is_named(by_brightness: Recognizer, masked: ReidDataset, tmp_path: Path) -> None:
    bad = Record(corrupt(tmp_path / "bad.jpg"), 4, 1, mask=masked.train[0].mask)
    result = evaluate(by_brightness, replace(masked, train=[*masked.train, bad]), trained_here=False)
    assert result.judged.records == list(masked.train)
    assert len(result.failed) == 1
    assert "bad.jpg" in result.failed[0]


def test_what_cannot_be_evaluated_is_said(
    by_brightness: Recognizer, masked: ReidDataset, crowd: ReidDataset, tiny
) -> None:
    with pytest.raises(DataError, match="crowd: no image has a mask; give masks:PATH"):
        evaluate(by_brightness, crowd, trained_here=False)
    recipe = tiny(recipe="junk-autoencoder")
    other = Recognizer(build_model(recipe, 1), recipe, device="cpu")
    with pytest.raises(RunError, match="this run makes no masks"):
        evaluate(other, masked, trained_here=False)
