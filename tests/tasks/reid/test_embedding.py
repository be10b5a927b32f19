"""What the system for embeddings gives its losses: triplets as they were dealt, cameras, and a count of batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resight.errors import RecipeError
from resight.losses.mining import DrawnTriplets
from resight.records import ReidDataset
from resight.training import train
from tests.conftest import corrupt

DRAWN = [
    "epochs=1",
    "sampler={name: random-triplets, batch_size: 8}",
    "losses={triplet: {margin: 10, distance: squared-euclidean, mining: drawn}}",
]


def test_the_loss_takes_the_triplets_that_the_sampler_drew(
    crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[tuple[int, int, int]]] = []
    forward = DrawnTriplets.forward

    def noted(self, distances, ids, cameras=None):  # type: ignore[no-untyped-def]
        triplets = forward(self, distances, ids, cameras)
        seen.append([tuple(ids[list(rows)].tolist()) for rows in zip(*(t.tolist() for t in triplets), strict=True)])
        return triplets

    monkeypatch.setattr(DrawnTriplets, "forward", noted)
    bad = replace(crowd.train[5], path=corrupt(tmp_path / "bad.jpg"))
    dataset = replace(crowd, train=[bad if number == 5 else record for number, record in enumerate(crowd.train)])
    train(tiny(*DRAWN), dataset, tmp_path / "run", quiet=True)
    assert len(seen) == 6
    assert all(anchor == positive != negative for batch in seen for anchor, positive, negative in batch)
    dealt = sum(map(len, seen))
    assert 48 - 16 < dealt < 48, "a triplet with an image that cannot be read is left out, the others are whole"


def test_drawn_triplets_want_the_sampler_that_draws_them(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"losses\.triplet\.mining: drawn takes the triplets of .*random-triplets"):
        train(tiny("losses.triplet.mining=drawn"), crowd, tmp_path / "run", quiet=True)


CAMERAS = "losses.triplet.mining=camera-batch-hard"


def test_camera_mining_wants_camera_labels(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    blind = replace(crowd, train=[replace(record, camera=-1) for record in crowd.train])
    with pytest.raises(RecipeError, match=r"losses\.triplet\.mining: this data has no camera labels"):
        train(tiny(CAMERAS), blind, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_camera_mining_counts_batches_once_for_all_branches(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    two_branch = "model={name: two-branch, backbone: resnet10t, pretrained: false}"
    recipe = tiny(CAMERAS, two_branch, "losses.centre.weight=0", "epochs=2")
    train(recipe, crowd, tmp_path / "run", quiet=True)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert state["state_dict"]["losses.triplet.mining.iterations"] == state["global_step"] > 2


def test_attributes_are_not_described_to_a_system_that_learns_none(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="attributes: the system embedding learns none"):
        train(tiny("attributes.junk=true"), crowd, tmp_path / "run", quiet=True)
