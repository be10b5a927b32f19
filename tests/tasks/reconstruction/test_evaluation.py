"""Reconstruction errors, and how they point at junk: by hand, and learned on a synthetic street.

Budget of the learning test: six epochs of 1,000 pictures of 64×32, about 30 s on one core.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.formats import read_dataset
from resight.errors import DataError, RunError
from resight.recognizer import Recognizer, load
from resight.records import JUNK, Record, ReidDataset
from resight.synthetic import synthesize
from resight.tasks.detection import junk_figures
from resight.tasks.reconstruction.evaluation import count_images, evaluate, reconstruction_scores
from resight.training import train
from tests.support.images import corrupt


def test_errors_are_those_of_the_network_and_flat_images_have_a_relative_one(
    recognizer: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    Image.new("RGB", (16, 32), (9, 9, 9)).save(tmp_path / "flat.png")
    broken = corrupt(tmp_path / "broken.png")
    found = reconstruction_scores(recognizer, [*crowd.query, Record(broken), Record(str(tmp_path / "flat.png"))])
    assert len(found.records) == len(crowd.query) + 1
    assert "broken.png" in found.failed[0]
    assert np.isfinite(found.scores["relative"]).all()
    alone = reconstruction_scores(recognizer, [crowd.query[2]])
    assert alone.scores["error"][0] == pytest.approx(found.scores["error"][2], rel=1e-4)
    assert alone.scores["relative"][0] == pytest.approx(found.scores["relative"][2], rel=1e-4)


def test_halving_the_contrast_leaves_the_detail_a_quarter(recognizer: Recognizer) -> None:
    images = torch.randint(0, 128, (2, 3, 32, 16), dtype=torch.uint8) * 2
    assert recognizer.detail_batch(images // 2) == pytest.approx(recognizer.detail_batch(images) / 4, rel=1e-5)


def test_runs_and_datasets_that_do_not_fit_are_named(
    recognizer: Recognizer, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    other = Recognizer(torch.nn.Identity(), tiny(recipe="attributes-residual-cnn"), device="cpu")
    with pytest.raises(RunError, match="reconstructs no images"):
        reconstruction_scores(other, crowd.query)
    with pytest.raises(DataError, match="the image could not be read"):
        reconstruction_scores(recognizer, [Record(corrupt(tmp_path / "a.png"))])
    with pytest.raises(DataError, match="void holds no images"):
        evaluate(recognizer, ReidDataset("void"))
    assert evaluate(recognizer, crowd).records == [*crowd.query, *crowd.gallery]
    assert count_images(recognizer, crowd) == len(crowd.query) + len(crowd.gallery)
    assert evaluate(recognizer, replace(crowd, query=[], gallery=[])).records == list(crowd.train)


def test_the_summary_is_that_of_the_scores(recognizer: Recognizer, crowd: ReidDataset) -> None:
    gallery = [replace(record, identity=JUNK) if record.frame == 1 else record for record in crowd.gallery]
    found = evaluate(recognizer, replace(crowd, gallery=gallery))
    summary = found.summary()
    assert summary["error"]["mean"] == pytest.approx(float(np.mean(found.scores["error"])))
    assert summary["error"]["quantiles"]["0.5"] == pytest.approx(float(np.median(found.scores["error"])))
    assert summary["relative"]["junk"]["junk"]["images"] == sum(record.identity == JUNK for record in gallery)


@pytest.mark.slow
def test_the_error_points_at_parts_of_people(tiny, tmp_path: Path) -> None:
    sizes = {"identities": 200, "test_identities": 60, "cameras": 3, "images_per_camera": 2, "size": (64, 32)}
    made = synthesize(tmp_path / "street", **sizes, junk=120, distractors=120, processes=1)
    network = ["model.channels=[8,16,32]", "model.convolutions=[1,1,2]", "model.bottleneck=8"]
    budget = ["image.height=64", "image.width=32", "epochs=6", "optimiser.lr=0.002", "sampler.batch_size=32"]
    recipe = tiny(*network, *budget, "augmentation={}", "loader.cache=true", recipe="junk-autoencoder")
    run = train(recipe, read_dataset(f"market1501:{made.root}"), tmp_path / "run", quiet=True)
    dataset = read_dataset(f"manifest:{made.root}/pictures.csv")
    found = evaluate(load(run.folder, "cpu"), dataset)
    figures = {score: junk_figures(found.records, values) for score, values in found.scores.items()}
    for score, kinds in figures.items():
        print(score, {kind: round(100 * figure.auc, 1) for kind, figure in kinds.items()})
    assert figures["relative"]["close"].auc > 0.9
    # Unpooling gives smooth images back whatever they show: the plain error points the wrong way at empty streets.
    assert figures["error"]["empty"].auc < 0.5
    assert figures["relative"]["empty"].auc > 0.6
