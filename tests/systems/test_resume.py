"""A run that was cut goes on with its sampler, its mining, its optimiser and its schedule as if it had not been."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import safetensors.torch
import torch

from resight.recipe import make
from resight.records import ReidDataset
from resight.systems.embedding import EmbeddingSystem
from resight.systems.schedules import SCHEDULES
from resight.training import resume, train

TRIPLET = "losses={triplet: {margin: 10, distance: squared-euclidean, mining: random}}"
KINDS = {
    "random triplets": [
        "sampler={name: random-triplets, batch_size: 8}",
        TRIPLET,
        "optimiser={name: rmsprop, lr: 0.001}",
        "schedule={name: cosine, warmup_epochs: 1, warmup_factor: 0.5}",
    ],
    "by camera": [
        "sampler={name: cameras, identities: 4, images: 4}",
        "losses={triplet: {margin: soft, mining: batch-all}, arcface: {scale: 16}, identity: {}}",
        "optimiser={name: amsgrad, lr: 0.001}",
        "schedule={name: cyclic, period: 4}",
    ],
    "centroids": [
        "losses={centroid-triplet: {}, circle: {}, cosface: {scale: 16}}",
        "optimiser={name: adamw, amsgrad: true, lr: 0.001}",
        "schedule={name: exponential, gamma: 0.5}",
        "augmentation={translation: {}, pca-colour: {}, erasing: {aspect: squarish}}",
    ],
}


class Cut(Exception):  # noqa: N818
    """In the place of a power cut."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    kind: str, crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny("epochs=3", "loggers=[]", *KINDS[kind])
    train(recipe, crowd, tmp_path / "whole", quiet=True)
    step = EmbeddingSystem.step

    def cut(self, *given):  # type: ignore[no-untyped-def]
        if self.current_epoch == 1:
            raise Cut
        return step(self, *given)

    monkeypatch.setattr(EmbeddingSystem, "step", cut)
    with pytest.raises(Cut):
        train(recipe, crowd, tmp_path / "cut", quiet=True)
    monkeypatch.undo()
    resume(tmp_path / "cut", crowd, quiet=True)
    whole, again = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    schedule = make(SCHEDULES, recipe.schedule, "schedule", epochs=3)
    for name in ("whole", "cut"):
        with open(tmp_path / name / "metrics.csv", newline="") as file:
            rates = [float(row["lr"]) for row in csv.DictReader(file)]
        assert rates == pytest.approx([0.001 * schedule(epoch) for epoch in range(3)], rel=1e-5)
