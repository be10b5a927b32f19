"""Bruna learns in all its forms: each beats the colour histogram on people that it has never seen.

Budget: a U-Net and three trainings of 5 epochs on pictures of 32 × 16, together about two minutes of one core.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.cli.app import app
from resight.data.formats import read_dataset
from resight.errors import DataError, RecipeError, RunError
from resight.gallery import Gallery
from resight.recipe import load_recipe
from resight.recognizer import load
from resight.records import ReidDataset
from resight.retrieval import AttributeWeighted, distances
from resight.synthetic import synthesize
from resight.tasks.reid.evaluation import compare
from resight.training import train
from tests.conftest import corrupt
from tests.support.cuts import assert_resumes_to_the_same

QUICK = [
    "image.height=32",
    "image.width=16",
    "augmentation={flip: {probability: 0.5}, pad-crop: {padding: 1}}",
    "epochs=5",
    "loader.workers=0",
    "loader.cache=true",
    "trainer.accelerator=cpu",
    "trainer.precision=32",
]
SMALL = [
    *QUICK,
    "model.backbone=resnet10t",
    "model.pretrained=false",
    "model.dim=256",
    "model.hidden=32",
    "rates={}",
    "optimiser.lr=0.002",
    "schedule={name: cosine}",
    "sampler.items=4",
    "validation.ratio=0",
]
UNET = "model.unet={name: unet, width: 8, depth: 2}"
STREET = {"cameras": 3, "images_per_camera": 2, "size": (64, 32), "processes": 1}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("street") / "people"
    synthesize(folder, identities=90, test_identities=30, junk=10, distractors=10, **STREET)
    return f"market1501:{folder}"


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    synthesize(folder / "people", layout="segmentation", identities=80, junk=0, distractors=0, **STREET)
    small = ["model.width=8", "model.depth=2", "optimiser.lr=0.004", "sampler.batch_size=16"]
    recipe = load_recipe("segmentation-unet", [*QUICK, *small])
    return train(recipe, read_dataset(f"masks:{folder / 'people'}"), folder / "unet", quiet=True).folder


@pytest.fixture(scope="module")
def bruna(street: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = load_recipe("reid-bruna", SMALL)
    out = tmp_path_factory.mktemp("runs") / "bruna"
    return train(recipe, read_dataset(street), out, data=[street], quiet=True).folder


def assert_learned(folder: Path, street: str) -> None:
    results = compare(load(folder), read_dataset(street), baselines=True).results
    figures = {name: result.mean_average_precision for name, result in results.items()}
    print({name: round(100 * value, 1) for name, value in figures.items()})
    least = max(figures["colour histogram"], figures["chance"]) + 0.08  # colours alone mislead across cameras
    assert figures["model"] > least
    assert figures["model, features alone"] > least


@pytest.mark.slow
def test_bruna_beats_the_colour_histogram(bruna: Path, street: str) -> None:
    assert_learned(bruna, street)
    with open(bruna / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["train/selector"]) >= 0 for row in rows), "the bounded loss stays so"
    ratios = [float(row["train/d_same"]) / float(row["train/d_other"]) for row in rows]
    assert ratios[-1] < 0.7 * ratios[0], "people draw together, strangers apart"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["reid-bruna-masked", "reid-bruna-mask-channel"])
def test_masked_forms_beat_it_too_and_need_no_other_run(recipe: str, street: str, unet: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(unet, tmp_path / "unet")
    options = [*SMALL, UNET, f"model.segmenter={moved}"]
    run = train(load_recipe(recipe, options), read_dataset(street), tmp_path / "run", quiet=True)
    lent = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    theirs = load(unet).model.state_dict()
    assert all(torch.equal(lent[f"model.segmenter.{name}"], value) for name, value in theirs.items())
    shutil.rmtree(moved)
    assert_learned(run.folder, street)


@pytest.mark.slow
def test_what_the_selector_picks_is_pictured(bruna: Path) -> None:
    assert (bruna / "picks.png").stat().st_size > 1000
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(bruna / "tensorboard")).Reload()
    assert "picks" in events.Tags()["images"]
    assert {"train/d_same", "train/d_other", "train/selector", "train/attributes"} <= set(events.Tags()["scalars"])


@pytest.mark.slow
def test_the_gallery_searches_by_the_attribute_weighted_distance(bruna: Path, street: str, tmp_path: Path) -> None:
    dataset, model = read_dataset(street), load(bruna)
    gallery = Gallery.create(tmp_path / "gallery", model=bruna)
    gallery.add(dataset.gallery)
    paths = [record.path for record in dataset.gallery]
    features, query = model.embed(paths), model.embed([dataset.query[0].path])
    seen = np.concatenate(list(model.recognise(paths).values()), axis=1)
    width = seen.shape[1]
    np.testing.assert_allclose(features[:, -width:], seen, atol=1e-5)
    metric = AttributeWeighted(query[:, -width:], features[:, -width:])
    row = distances(query[:, :-width], features[:, :-width], metric)[0]
    hits = Gallery.open(tmp_path / "gallery").search(dataset.query[0].path, k=7)
    np.testing.assert_allclose([-hit.score for hit in hits], np.sort(row)[:7], atol=1e-4)
    assert [hit.id for hit in hits] == np.argsort(row, kind="stable")[:7].tolist()


@pytest.mark.slow
def test_the_commands_know_junk_and_mistakes(bruna: Path, street: str, tmp_path: Path, capsys) -> None:
    app(["evaluate", str(bruna), "--data", street, "--json", "--rerank"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["metric"] == "attribute-weighted, junk last"
    assert told["model, features alone"]["metric"] == "euclidean"
    assert told["model, re-ranked"]["reranked"]
    page = (bruna / "report.html").read_text()
    assert "Wrong first answers" in page
    assert "upper_color" in page
    app(["evaluate", str(bruna), "--data", street, "--json", "--keep-junk"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["model"]["metric"] == "attribute-weighted"
    app(["index", str(bruna), street, "--out", str(tmp_path / "gallery"), "--drop-junk"], standalone_mode=False)
    records = Gallery.open(tmp_path / "gallery").records
    assert all(record.attributes["junk"] == "no" for record in records)
    assert "images are junk and left out" in capsys.readouterr().out
    clusters = ["--out", str(tmp_path / "clusters"), "--clusters", "5"]
    app(["cluster", str(bruna), street, *clusters], standalone_mode=False)
    assert json.loads((tmp_path / "clusters" / "clusters.json").read_text())["metric"] == "euclidean", "features alone"


def annotated(crowd: ReidDataset) -> ReidDataset:
    from resight.records import AttributeSchema

    seen = [replace(r, attributes={"hat": "yes" if r.identity % 2 else "no"}) for r in crowd.train]
    return replace(crowd, train=seen, schema=AttributeSchema.from_records(seen))


TINY = [*SMALL, "epochs=1", "sampler.items=2"]


@pytest.mark.slow
def test_an_item_with_an_unreadable_image_is_left_out(crowd: ReidDataset, tmp_path: Path, capfd) -> None:
    dataset = annotated(crowd)
    broken = [replace(dataset.train[0], path=corrupt(tmp_path / "broken.jpg")), *dataset.train[1:]]
    train(load_recipe("reid-bruna", TINY), replace(dataset, train=broken), tmp_path / "run", quiet=True)
    assert "broken.jpg" in capfd.readouterr().err
    every = [replace(record, path=str(tmp_path / "broken.jpg")) for record in dataset.train[1:]]
    with pytest.raises(DataError, match="images could be read"):
        train(load_recipe("reid-bruna", TINY), replace(dataset, train=every), tmp_path / "none", quiet=True)


@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one_and_needs_no_other_run(
    crowd: ReidDataset, unet: Path, tmp_path: Path
) -> None:
    lent = shutil.copytree(unet, tmp_path / "unet")
    recipe = load_recipe("reid-bruna-masked", [*TINY, UNET, f"model.segmenter={lent}", "epochs=3"])
    weights = assert_resumes_to_the_same(recipe, annotated(crowd), tmp_path, between=lambda: shutil.rmtree(lent))
    assert any(name.startswith("selector.") for name in weights)


@pytest.mark.slow
def test_the_reports_selector_loss_is_there(crowd: ReidDataset, tmp_path: Path) -> None:
    run = train(
        load_recipe("reid-bruna", [*TINY, "losses.selector.form=paper", "epochs=4", "losses.attributes.weight=0"]),
        annotated(crowd),
        tmp_path / "run",
        quiet=True,
    )
    with open(run.metrics, newline="") as file:
        rows = list(csv.DictReader(file))
    assert "train/attributes" not in rows[0]
    assert run.finished


def test_what_is_missing_is_named(crowd: ReidDataset, tmp_path: Path) -> None:
    dataset, out = annotated(crowd), tmp_path / "run"
    lent = ["reid-bruna-masked", [*TINY, UNET]]
    with pytest.raises(RunError, match="no such run; make one with `resight train segmentation-unet --data"):
        train(load_recipe(*lent), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="model.segmenter is missing, a run of segmentation-unet; make one"):
        train(load_recipe(lent[0], [*lent[1], "model.segmenter=null"]), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="the system bruna wants items"):
        train(load_recipe("reid-bruna", [*TINY, "sampler={name: random, batch_size: 6}"]), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="wants centroid and selector"):
        train(load_recipe("reid-bruna", [*TINY, "losses.selector.weight=0"]), dataset, out, quiet=True)
    plain = ["model.backbone=resnet10t", "model.pretrained=false", "retrieval.metric=attribute-weighted"]
    with pytest.raises(RecipeError, match="attribute-weighted is for systems that learn"):
        train(load_recipe("reid-strong-baseline", plain), dataset, out, quiet=True)
    assert not out.exists()


@pytest.mark.slow
def test_a_segmenter_that_does_not_fit_is_named(crowd: ReidDataset, unet: Path, tmp_path: Path) -> None:
    dataset, out = annotated(crowd), tmp_path / "run"
    options = [*SMALL, "epochs=1", "sampler.items=2", f"model.segmenter={unet}"]
    with pytest.raises(RunError, match="another network than this recipe's"):
        train(load_recipe("reid-bruna-masked", options), dataset, out, quiet=True)
    with pytest.raises(RunError, match="another size or normalisation"):
        train(load_recipe("reid-bruna-masked", [*options, UNET, "image.height=64"]), dataset, out, quiet=True)


def test_only_whole_items_are_items() -> None:
    from resight.data.loaders import Batch
    from resight.tasks.reid.bruna import _whole_items

    # two items of twelve, the second with a gap at place 15, and junk behind them
    places = torch.tensor([place for place in range(26) if place != 15])
    nothing = torch.zeros(len(places))
    batch = Batch(nothing, nothing, nothing, nothing, nothing, nothing, places, places >= 24, [])
    assert _whole_items(batch).tolist() == [list(range(12))]
