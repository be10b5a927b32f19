"""Validation by retrieval: the figure in metrics.csv is the protocol's on the held-out identities."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.data.splits import held_out, query_gallery_split
from resight.errors import RecipeError
from resight.recognizer import load
from resight.records import Record, ReidDataset
from resight.retrieval import evaluate
from resight.training import train


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
    with pytest.raises(RecipeError, match=r"retrieval\.protocol: no 'cours', did you mean 'course'\?"):
        train(tiny("retrieval.protocol=cours"), crowd, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
