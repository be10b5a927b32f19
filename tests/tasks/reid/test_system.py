"""Validation by retrieval: the figure in metrics.csv is the protocol's on the held-out identities."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.data.samplers import TripletSampler
from resight.data.splits import held_out, query_gallery_split
from resight.errors import RecipeError
from resight.losses.mining import DrawnTriplets
from resight.recognizer import load
from resight.records import Record, ReidDataset
from resight.retrieval import evaluate
from resight.training import train
from tests.support.images import corrupt


def one_camera(dataset: ReidDataset) -> ReidDataset:
    """All seen by camera 1, so that a protocol with the camera rule finds no match for anybody."""
    return replace(dataset, train=[replace(record, camera=1) for record in dataset.train])


def labels(query: list[Record], gallery: list[Record]) -> dict[str, list[int]]:
    return {"query_ids": [r.identity for r in query], "gallery_ids": [r.identity for r in gallery]}


def test_validation_follows_the_recipes_protocol(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    dataset = one_camera(crowd)
    recipe = tiny(
        "epochs=1", "sampler.identities=3", "validation.ratio=0.5", "validation.every=1", "retrieval.protocol=course"
    )
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    with open(run.metrics, newline="") as file:
        logged = float(next(csv.DictReader(file))["val/mAP"])
    split = query_gallery_split(
        held_out(dataset.train, 0.5, recipe.seed)[1], recipe.validation.query_ratio, recipe.seed
    )
    model = load(run.folder)
    query, gallery = (model.embed([r.path for r in side]) for side in (split.query, split.gallery))
    expected = evaluate(query, gallery, **labels(split.query, split.gallery), protocol="course")
    assert logged == pytest.approx(expected.mean_average_precision, rel=1e-4)
    train(
        tiny("epochs=1", "sampler.identities=3", "validation.ratio=0.5", "validation.every=1"),
        dataset,
        tmp_path / "plain",
        quiet=True,
    )
    with open(tmp_path / "plain" / "metrics.csv", newline="") as file:
        assert np.isnan(float(next(csv.DictReader(file))["val/mAP"])), "by default the own camera is left out"


def test_an_unknown_protocol_is_told_before_anything_is_written(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"retrieval\.protocol: no 'cours' \(did you mean 'course'\?\); there is: "):
        train(tiny("retrieval.protocol=cours"), crowd, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


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
        seen.append([tuple(ids[list(rows)].tolist()) for rows in zip(*(t.tolist() for t in triplets[:3]), strict=True)])
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


TWO_BRANCHES = [
    "sampler.batch_size=4",
    "validation.ratio=0.34",
    "validation.query_ratio=0.2",
    "validation.every=1",
    "loggers=[]",
]


def val_losses(folder: Path, name: str = "val/loss") -> list[float]:
    with open(folder / "metrics.csv", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_the_validation_loss_is_that_of_triplets_of_people_held_out(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    """The best weights' loss, worked out from features and the sampler's triplets: max(0, d² - d² + 1000), both branches."""
    recipe = tiny("epochs=2", *TWO_BRANCHES, "losses.triplet.margin=1000", recipe="reid-two-branch")
    assert recipe.validation.monitor == "loss", "as in the source"
    told: list[str] = []
    run = train(recipe, crowd, tmp_path / "run", quiet=True, tell=told.append)
    assert "val/loss is triplet of the people held out; identity would need the identities trained on" in told
    held = query_gallery_split(held_out(crowd.train, 0.34, recipe.seed)[1], 0.2, recipe.seed)
    records = held.query + held.gallery
    model = load(run.folder, device="cpu")
    seen = model.see(records, lambda batch: model.model(model.prepare(batch.images)).features)
    sampler = TripletSampler([record.identity for record in records], batch_size=4, seed=recipe.seed)
    total = 0.0
    for branch in zip(*seen.found, strict=True):
        features = torch.cat(branch).detach().double().numpy()
        batches = []
        for batch in sampler:
            anchor, positive, negative = (features[[draw.index for draw in batch][part::3]] for part in range(3))
            near, far = ((anchor - other) ** 2 for other in (positive, negative))
            batches.append(np.maximum(0, near.sum(1) - far.sum(1) + 1000).mean())
        total += 0.5 * np.mean(batches)
    assert total > 0
    assert min(val_losses(run.folder)) == pytest.approx(total, rel=1e-3)
    assert val_losses(run.folder) == val_losses(run.folder, "val/triplet")


def test_validation_stops_on_the_loss_and_moves_no_mining(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    mined = [
        "sampler={name: identities, identities: 3, images: 4}",
        "losses={triplet: {mining: camera-batch-hard}, identity: {}}",
        "validation.monitor=loss",
    ]
    kept = tiny("epochs=2", *TWO_BRANCHES[1:], *mined)
    run = train(kept, crowd, tmp_path / "run", quiet=True)
    state = torch.load(run.checkpoint, weights_only=True)
    assert state["state_dict"]["losses.triplet.mining.iterations"] == state["global_step"]
    still = tiny("epochs=9", *TWO_BRANCHES[1:], *mined, "validation.patience=2", "optimiser.lr=1e-30")
    stopped = train(still, crowd, tmp_path / "still", quiet=True)
    assert len(val_losses(stopped.folder)) < 9, "nothing is learned, so the loss falls no more"


def test_there_is_no_validation_loss_of_identities_alone(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=1", *TWO_BRANCHES[1:], "sampler.identities=3", "losses={identity: {}}")
    told: list[str] = []
    run = train(recipe, crowd, tmp_path / "run", quiet=True, tell=told.append)
    assert "no val/loss: people held out have no identity" in told
    assert "val/loss" not in run.metrics.read_text()
    with pytest.raises(RecipeError, match="validation.monitor=loss: no val/loss: .*; monitor mAP"):
        train(recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"monitor": "loss"})}), crowd, tmp_path / "no")  # fmt: skip
