"""Masks in batches: they go with their image, whatever is done to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.augmentations import build_augmentation
from resight.data.loaders import ImageDataset, resize_mask
from resight.data.samplers import Draw
from resight.data.training_set import divide
from resight.errors import DataError
from resight.recipe import ImageOptions, load_recipe
from resight.records import Record, ReidDataset

SIZE = ImageOptions(height=32, width=16)
MOVING = {"flip": {"probability": 1.0}, "pad-crop": {"padding": 4}, "rotation": {"degrees": 10}}
SHIFTING = {"translation": {"probability": 1.0}, "centre-crop": {"probability": 0.5}}
COLOURING = {
    "jitter": {"brightness": 0.3},
    "pca-colour": {"probability": 1.0},
    "equalise": {"probability": 0.5},
    "erasing": {"probability": 1.0, "area": [0.02, 0.03]},
}


@pytest.fixture
def pair(tmp_path: Path) -> Record:
    """A white box on black, which is its own mask."""
    pixels = np.zeros((32, 16, 3), np.uint8)
    pixels[6:20, 3:9] = 255
    Image.fromarray(pixels).save(tmp_path / "image.png")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "mask.png")
    return Record(str(tmp_path / "image.png"), mask=str(tmp_path / "mask.png"))


def batch_of(pair: Record, augmentation: dict, seeds: range):
    dataset = ImageDataset([pair], SIZE, build_augmentation(augmentation, SIZE), masks=True)
    return dataset.collate([dataset[Draw(0, seed)] for seed in seeds])


@pytest.mark.parametrize("augmentation", [MOVING, SHIFTING, COLOURING])
def test_what_moves_the_image_moves_the_mask(pair: Record, augmentation: dict) -> None:
    batch = batch_of(pair, augmentation, range(20))
    assert batch.masks.shape == (20, 1, 32, 16)
    assert batch.masks.dtype == torch.uint8
    assert set(batch.masks.unique().tolist()) == {0, 1}
    assert type(batch.masks) is type(batch.images) is torch.Tensor
    # Bilinear edges of the image, nearest ones of the mask: they differ on the outline. Masks apart agree on 0.67.
    agree = ((batch.images[:, :1] > 127) == (batch.masks > 0)).float().mean((1, 2, 3))
    assert agree.min() > 0.8
    if augmentation is not COLOURING:
        assert len({mask.numpy().tobytes() for mask in batch.masks}) > 5, "and they do move"


def test_colours_leave_the_mask_alone(pair: Record) -> None:
    batch = batch_of(pair, COLOURING, range(3))
    still = batch_of(pair, {}, range(3))
    assert torch.equal(batch.masks, still.masks)
    assert torch.equal(still.images[:, :1] > 127, still.masks > 0)


def test_masks_are_enlarged_without_new_values() -> None:
    small = np.array([[0, 1], [1, 0]], np.uint8)
    large = resize_mask(small, ImageOptions(height=8, width=8))
    np.testing.assert_array_equal(large[0].numpy(), np.kron(small, np.ones((4, 4), np.uint8)))


def test_batches_without_masks_have_none(pair: Record) -> None:
    dataset = ImageDataset([pair], SIZE)
    assert dataset.collate([dataset[0]]).masks.shape == (1, 0, 32, 16)


def test_an_image_whose_mask_does_not_fit_is_left_out_and_named(pair: Record, tmp_path: Path) -> None:
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    records = [pair, Record(pair.path, mask=str(tmp_path / "small.png")), Record(pair.path)]
    dataset = ImageDataset(records, SIZE, masks=True)
    batch = dataset.collate([dataset[i] for i in range(3)])
    assert batch.index.tolist() == [0]
    assert "small.png: the mask has 5 × 5 pixels, its image 16 × 32" in batch.failed[0]
    assert "no mask is known" in batch.failed[1]


def test_training_without_masks_says_what_is_missing(pair: Record) -> None:
    dataset = ReidDataset("street", train=[pair, Record("bare.jpg")])
    with pytest.raises(DataError, match=r"street: 1 training images have no mask \(the first: bare.jpg\); give masks:"):
        divide(load_recipe("segmentation-unet"), dataset, {"masks"})
