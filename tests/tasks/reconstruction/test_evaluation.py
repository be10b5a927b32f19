"""Reconstruction errors, and how they point at junk: by hand, and learned on a synthetic street.

Budget of the learning test: six epochs of 1,000 pictures of 64×32, about 30 s on one core.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.data.formats import read_dataset
from resight.errors import DataError, RunError
from resight.recognizer import Recognizer, load
from resight.records import JUNK, Record, ReidDataset
from resight.run import build_model
from resight.synthetic import synthesize
from resight.tasks.detection import junk_figures
from resight.tasks.pictures import reconstructed
from resight.tasks.reconstruction.evaluation import count_images, evaluate, reconstruction_scores
from resight.tasks.reconstruction.report import write_report
from resight.training import train
from tests.support.images import corrupt


@pytest.fixture
def recognizer(tiny) -> Recognizer:
    recipe = tiny(recipe="junk-autoencoder")
    return Recognizer(build_model(recipe, 1), recipe, device="cpu")


def test_kinds_of_junk_are_each_told_from_all_that_is_none() -> None:
    kinds = [None, None, "close", "close", "empty"]
    records = [
        *(
            Record(f"{i}.jpg", 5 if k is None else JUNK, attributes={"junk_kind": k} if k else {})
            for i, k in enumerate(kinds)
        ),
        Record("stranger.jpg", 0),
    ]
    scores = np.array([0.2, 0.5, 0.9, 0.3, 0.1, 0.4])
    figures = junk_figures(records, scores)
    assert list(figures) == ["all", "close", "empty"]
    # Of close's 2 × 3 pairs with the others (0.2, 0.5, 0.4), 0.9 wins three and 0.3 one.
    assert figures["close"].auc == pytest.approx(4 / 6)
    assert figures["close"].average_precision == pytest.approx((1 / 1 + 2 / 4) / 2)
    assert figures["empty"] == (1, 0.0, pytest.approx(1 / 4))
    assert figures["all"].images == 3
    plain = [replace(record, attributes={}) for record in records]
    assert list(junk_figures(plain, scores)) == ["junk"]
    assert junk_figures(records[:2], scores[:2]) == {}, "no image is labelled junk"
    assert junk_figures(records[2:5], scores[2:5]) == {}, "all images are"


def test_errors_are_those_of_the_network_and_flat_images_have_a_relative_one(
    recognizer: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    from PIL import Image

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
    import torch

    images = torch.randint(0, 128, (2, 3, 32, 16), dtype=torch.uint8) * 2
    assert recognizer.detail_batch(images // 2) == pytest.approx(recognizer.detail_batch(images) / 4, rel=1e-5)


def test_runs_and_datasets_that_do_not_fit_are_named(
    recognizer: Recognizer, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    other = Recognizer(torch_identity(), tiny(recipe="attributes-residual-cnn"), device="cpu")
    with pytest.raises(RunError, match="reconstructs no images"):
        reconstruction_scores(other, crowd.query)
    with pytest.raises(DataError, match="none of 1 images could be read"):
        reconstruction_scores(recognizer, [Record(corrupt(tmp_path / "a.png"))])
    with pytest.raises(DataError, match="void holds no images"):
        evaluate(recognizer, ReidDataset("void"))
    assert evaluate(recognizer, crowd).records == [*crowd.query, *crowd.gallery]
    assert count_images(recognizer, crowd) == len(crowd.query) + len(crowd.gallery)
    assert evaluate(recognizer, replace(crowd, query=[], gallery=[])).records == list(crowd.train)


def torch_identity():  # type: ignore[no-untyped-def]
    import torch

    return torch.nn.Identity()


def test_the_report_shows_the_best_and_the_worst(recognizer: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    gallery = [replace(record, identity=JUNK) if record.frame == 1 else record for record in crowd.gallery]
    dataset = replace(crowd, gallery=gallery)
    found = evaluate(recognizer, dataset)
    command = "resight evaluate run"
    write_report(tmp_path / "report.html", found, recognizer, dataset, command=command, curves={})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") == 4
    assert "ROC-AUC" in page
    assert "resight evaluate run" in page
    summary = found.summary()
    assert summary["error"]["mean"] == pytest.approx(float(np.mean(found.scores["error"])))
    assert summary["relative"]["junk"]["junk"]["images"] == sum(record.identity == JUNK for record in gallery)
    assert reconstructed(recognizer, dataset.query[:3]).width == 4 * (3 * 16 + 2 * 2)


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
