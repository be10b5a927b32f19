"""A run that was cut goes on with its sampler, its mining, its optimiser and its schedule as if it had not been."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from resight.engine.schedules import SCHEDULES
from resight.recipe import make
from resight.records import ReidDataset
from tests.support.cuts import assert_resumes_to_the_same

TRIPLET = "losses={triplet: {margin: 10, distance: squared-euclidean, mining: random}}"
KINDS = {
    "random triplets": [
        "sampler={name: random-triplets, batch_size: 8}",
        TRIPLET,
        "validation={ratio: 0.34, every: 1, monitor: loss, pictures: false}",
        "optimiser={name: rmsprop, lr: 0.001}",
        "schedule={name: cosine, warmup_epochs: 1, warmup_factor: 0.5}",
    ],
    "by camera": [
        "sampler={name: cameras, identities: 4, images: 4}",
        "losses={triplet: {margin: soft, mining: batch-all}, arcface: {scale: 16}, identity: {}}",
        "optimiser={name: amsgrad, lr: 0.001}",
        "schedule={name: cyclic, period: 4}",
    ],
    "thawed where it was cut": ["freeze={trunk: 1}", "optimiser.lr=0.001", "schedule=constant"],
    "thawed after it was cut": ["freeze={trunk: 2, neck: always}", "optimiser.lr=0.001", "schedule=constant"],
    "centroids": [
        "losses={centroid-triplet: {}, circle: {}, cosface: {scale: 16}}",
        "optimiser={name: adamw, amsgrad: true, lr: 0.001}",
        "schedule={name: exponential, gamma: 0.5}",
        "augmentation={translation: {}, pca-colour: {}, erasing: {aspect: squarish}}",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_ends_as_an_uninterrupted_one(kind: str, crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=3", "loggers=[]", *KINDS[kind])
    assert_resumes_to_the_same(recipe, crowd, tmp_path)
    schedule = make(SCHEDULES, recipe.schedule, "schedule", epochs=3)
    for name in ("whole", "cut"):
        with open(tmp_path / name / "metrics.csv", newline="") as file:
            rates = [float(row["lr"]) for row in csv.DictReader(file)]
        assert rates == pytest.approx([0.001 * schedule(epoch) for epoch in range(3)], rel=1e-5)
    whole, again = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["reid-vae", "junk-autoencoder", "segmentation-unet"])
def test_so_does_one_that_learns_without_identities(recipe: str, crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    half = np.zeros((48, 24), np.uint8)
    half[12:, 6:18] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    masked = replace(crowd, train=[replace(record, mask=str(tmp_path / "mask.png")) for record in crowd.train])
    made = tiny("sampler.batch_size=8", "loggers=[]", "validation.ratio=0.34", recipe=recipe)
    assert_resumes_to_the_same(made, masked, tmp_path)
