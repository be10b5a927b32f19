"""The U-Net learns masks: IoU over 0.8 on people in places that it has never seen.

Budget: six epochs of 767 pictures of 64 × 32, about 40 seconds of one core. They come from four streets: a U-Net that has
seen one street's backgrounds alone reaches 0.80 there and 0.69 in another.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from resight.data.formats import read_dataset
from resight.data.loaders import ImageDataset
from resight.data.training_set import divide
from resight.data.union import read_datasets
from resight.errors import RecipeError
from resight.recognizer import load
from resight.records import ReidDataset
from resight.synthetic import synthesize
from resight.tasks.masks.evaluation import evaluate
from resight.tasks.masks.system import SegmentationSystem
from resight.training import train

LEARNING = [
    "epochs=6",
    "image.height=64",
    "image.width=32",
    "model.width=8",
    "model.depth=3",
    "augmentation={flip: {probability: 0.5}, jitter: {}}",
    "optimiser.lr=0.004",
    "validation.ratio=0.1",
    "loader.cache=true",
]
STREET = {"cameras": 6, "images_per_camera": 2, "size": (64, 32), "junk": 0, "distractors": 0, "processes": 1}


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("masks")
    for seed in range(4):
        synthesize(folder / str(seed), layout="segmentation", identities=20, seed=seed, **STREET)
    return [f"masks:{folder / str(seed)}" for seed in range(4)]


@pytest.fixture(scope="module")
def unet(streets: list[str], tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unet"
    recipe = tiny(*LEARNING, recipe="segmentation-unet")
    return train(recipe, read_datasets(streets), out, data=streets, quiet=True).folder


@pytest.mark.slow
def test_masks_of_new_people_reach_an_iou_of_80_per_cent(unet: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "others", layout="segmentation", identities=15, seed=99, **STREET)
    others = read_dataset(f"masks:{tmp_path / 'others'}")
    judged = evaluate(load(unet), others, trained_here=False).judged
    print(f"IoU {judged.scores.mean_iou:.3f}, of the mean mask {judged.mean_mask.mean_iou:.3f}")
    assert judged.scores.mean_iou > 0.8
    assert judged.scores.mean_iou > judged.mean_mask.mean_iou + 0.1


@pytest.mark.slow
def test_its_own_validation_images_are_told_apart(unet: Path, streets: list[str]) -> None:
    told = evaluate(load(unet), read_datasets(streets), trained_here=True).summary()
    assert told.keys() == {"train", "validation"}
    assert told["validation"]["IoU"] > 0.7


def test_an_augmentation_that_moves_images_without_their_masks_is_refused(
    masked: ReidDataset, tiny, tmp_path: Path
) -> None:
    recipe = tiny("augmentation={auto-augment: {}}", recipe="segmentation-unet")
    with pytest.raises(RecipeError, match="auto-augment moves images without their masks; leave it out"):
        train(recipe, masked, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_bars_of_a_letterbox_are_background_to_learn_and_not_judged(
    masked: ReidDataset, everything: nn.Module, tiny
) -> None:
    recipe = tiny("image.height=32", "image.width=32", "image.resize=letterbox", recipe="segmentation-unet")
    system = SegmentationSystem(recipe, everything, divide(recipe, masked, SegmentationSystem.learns))
    data = ImageDataset(masked.train[:1], recipe.image, masks=True)
    batch, inputs = data.collate([data[0]]), torch.zeros(1, 3, 32, 32)
    found, true = system.look(inputs, batch)
    assert (int(found.sum()), int(true.sum())) == (32 * 16, 32 * 8), "an image of 32 × 16, its left half the individual"
    # Cross-entropy of a logit of 1 by hand: log(1 + e) on background, bars too, and one less on the individual.
    assert float(system.step(inputs, batch)["cross-entropy"]) == pytest.approx(math.log(1 + math.e) - 0.25)
