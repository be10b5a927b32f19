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
from resight.data.samplers import ItemSampler
from resight.errors import DataError, RecipeError, RunError
from resight.gallery import Gallery
from resight.models.selector import Selector
from resight.recognizer import load
from resight.records import ReidDataset
from resight.retrieval import AttributeWeighted, distances
from resight.synthetic import synthesize
from resight.tasks.reid.evaluation import evaluate
from resight.tasks.systems import own_training_set
from resight.training import train
from tests.support.cuts import assert_resumes_to_the_same
from tests.support.images import corrupt
from tests.support.runs import metrics

QUICK = ["epochs=5", "augmentation={flip: {probability: 0.5}, pad-crop: {padding: 1}}", "loader.cache=true"]
LEARNING = [
    *QUICK,
    "model.dim=256",
    "model.hidden=32",
    "rates={}",
    "optimiser.lr=0.002",
    "schedule={name: cosine}",
    "sampler.items=4",
]
UNET = "model.unet.width=8"
STREET = {"cameras": 3, "images_per_camera": 2, "size": (64, 32), "processes": 1}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("street") / "people"
    synthesize(folder, identities=90, test_identities=30, junk=10, distractors=10, **STREET)
    return f"market1501:{folder}"


@pytest.fixture(scope="module")
def unet(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    synthesize(folder / "people", layout="segmentation", identities=80, junk=0, distractors=0, **STREET)
    own = ["model.width=8", "optimiser.lr=0.004", "validation.ratio=0.1"]
    recipe = tiny(*QUICK, *own, recipe="segmentation-unet")
    return train(recipe, read_dataset(f"masks:{folder / 'people'}"), folder / "unet", quiet=True).folder


@pytest.fixture(scope="module")
def bruna(street: str, tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "bruna"
    return train(tiny(*LEARNING, recipe="reid-bruna"), read_dataset(street), out, data=[street], quiet=True).folder


def assert_learned(folder: Path, street: str) -> None:
    # Across cameras: colours alone find the images of the query's own.
    results = evaluate(load(folder), read_dataset(street), baselines=True, protocol="market1501").results
    figures = {name: result.mean_average_precision for name, result in results.items()}
    print({name: round(100 * value, 1) for name, value in figures.items()})
    least = max(figures["colour histogram"], figures["chance"]) + 0.08
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
def test_masked_forms_beat_it_too_and_need_no_other_run(
    recipe: str, street: str, unet: Path, tiny, tmp_path: Path
) -> None:
    moved = shutil.copytree(unet, tmp_path / "unet")
    options = [*LEARNING, UNET, f"model.segmenter={moved}"]
    run = train(tiny(*options, recipe=recipe), read_dataset(street), tmp_path / "run", quiet=True)
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
    (features, seen), (query, asked) = map(model.embed_with_attributes, (paths, [dataset.query[0].path]))
    np.testing.assert_allclose(seen, np.concatenate(list(model.recognise(paths).values()), axis=1), atol=1e-5)
    row = distances(query, features, AttributeWeighted(asked, seen))[0]
    hits = Gallery.open(tmp_path / "gallery").search(dataset.query[0].path, k=7)
    np.testing.assert_allclose([-hit.score for hit in hits], np.sort(row)[:7], atol=1e-4)
    assert [hit.record.path for hit in hits] == [paths[place] for place in np.argsort(row, kind="stable")[:7]]


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


@pytest.mark.slow
def test_an_item_with_an_unreadable_image_is_left_out(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    dataset = annotated(crowd)
    broken = [replace(dataset.train[0], path=corrupt(tmp_path / "broken.jpg")), *dataset.train[1:]]
    told: list[str] = []
    train(tiny("epochs=1", recipe="reid-bruna"), replace(dataset, train=broken), tmp_path / "run", tell=told.append)
    assert "broken.jpg" in told[-1]
    both = [corrupt(tmp_path / name) for name in ("broken.jpg", "other.jpg")]
    every = [replace(record, path=both[place % 2]) for place, record in enumerate(dataset.train[1:])]
    with pytest.raises(DataError, match="none of 2 images could be read"):
        train(tiny("epochs=1", recipe="reid-bruna"), replace(dataset, train=every), tmp_path / "none", quiet=True)


@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one_and_needs_no_other_run(
    crowd: ReidDataset, unet: Path, tiny, tmp_path: Path
) -> None:
    lent = shutil.copytree(unet, tmp_path / "unet")
    recipe = tiny(UNET, f"model.segmenter={lent}", recipe="reid-bruna-masked")
    weights = assert_resumes_to_the_same(recipe, annotated(crowd), tmp_path, between=lambda: shutil.rmtree(lent))
    assert any(name.startswith("selector.") for name in weights)


@pytest.mark.slow
def test_the_validation_losses_are_of_items_of_people_held_out(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    """Worked out anew from the features of the images: four of a person, and the two of eight that the selector picks."""
    recipe = tiny("epochs=1", "validation.ratio=0.34", "validation.every=1", "sampler.items=1", recipe="reid-bruna")
    dataset, told = annotated(crowd), []
    run = train(recipe, dataset, tmp_path / "run", quiet=True, tell=told.append)
    assert "val/loss is centroid + attributes + selector of the people held out" in told
    (row,) = metrics(run.folder)
    records = own_training_set(run, dataset).validation
    model = load(run.folder, device="cpu")
    selector = Selector()
    state = torch.load(run.checkpoint, weights_only=True)["state_dict"]
    selector.load_state_dict({name[9:]: value for name, value in state.items() if name.startswith("selector.")})
    selector.eval()
    inputs = torch.cat([model.prepare(batch.images) for batch in model.batches(records)])
    features = model.model(inputs).feature.detach().double().numpy()
    same, other, hinges = [], [], []
    for draws in ItemSampler([record.identity for record in records], items=1, seed=recipe.seed):
        item = [draw.index for draw in draws if not draw.junk]
        guesses = selector(inputs[item[:1]], inputs[item[4:]][None])[0]
        four, strangers = features[item[:4]], features[[item[4 + place] for place in guesses.argsort()[:2].tolist()]]
        rest = [np.mean([four[i] for i in range(4) if i != one], axis=0) for one in range(4)]
        same.append(np.mean([np.linalg.norm(four[one] - rest[one]) for one in range(4)]))
        other.append(np.mean([np.linalg.norm(one - stranger) for one in four for stranger in strangers]))
        hinges.append(same[-1] + max(0, recipe.losses["centroid"].get("margin", 1.0) - other[-1]))
    assert float(row["val/d_same"]) == pytest.approx(np.mean(same), rel=1e-3)
    assert float(row["val/d_other"]) == pytest.approx(np.mean(other), rel=1e-3)
    assert float(row["val/centroid"]) == pytest.approx(np.mean(hinges), rel=1e-3)
    parts = sum(float(row[f"val/{name}"]) for name in recipe.losses)
    assert float(row["val/loss"]) == pytest.approx(parts, rel=1e-4)


@pytest.mark.slow
def test_the_reports_selector_loss_is_there(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(
        tiny("losses.selector.form=paper", "losses.attributes.weight=0", recipe="reid-bruna"),
        annotated(crowd),
        tmp_path / "run",
        quiet=True,
    )
    with open(run.metrics, newline="") as file:
        rows = list(csv.DictReader(file))
    assert "train/attributes" not in rows[0]
    assert run.finished


def test_what_is_missing_is_named(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    dataset, out = annotated(crowd), tmp_path / "run"
    with pytest.raises(RunError, match="no such run; make one with `resight train segmentation-unet --data"):
        train(tiny(recipe="reid-bruna-masked"), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="model.segmenter is missing: it names a run of segmentation-unet; make one"):
        train(tiny("model.segmenter=null", recipe="reid-bruna-masked"), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="the system bruna wants items"):
        train(tiny("sampler={name: random, batch_size: 6}", recipe="reid-bruna"), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="wants centroid and selector"):
        train(tiny("losses.selector.weight=0", recipe="reid-bruna"), dataset, out, quiet=True)
    with pytest.raises(RecipeError, match="attribute-weighted is for systems that learn"):
        train(tiny("retrieval.metric=attribute-weighted"), dataset, out, quiet=True)
    assert not out.exists()


@pytest.mark.slow
def test_a_segmenter_that_does_not_fit_is_named(crowd: ReidDataset, unet: Path, tiny, tmp_path: Path) -> None:
    dataset, out = annotated(crowd), tmp_path / "run"
    options = ["epochs=1", f"model.segmenter={unet}"]
    with pytest.raises(RunError, match="another network than this recipe's"):
        train(tiny(*options, recipe="reid-bruna-masked"), dataset, out, quiet=True)
    with pytest.raises(RunError, match="another size or normalisation"):
        train(tiny(*options, UNET, "image.height=64", recipe="reid-bruna-masked"), dataset, out, quiet=True)


def test_only_whole_items_are_items() -> None:
    from resight.data.loaders import Batch
    from resight.tasks.reid.bruna import _whole_items

    # two items of twelve, the second with a gap at place 15, and junk behind them
    places = torch.tensor([place for place in range(26) if place != 15])
    nothing = torch.zeros(len(places))
    batch = Batch(nothing, nothing, nothing, nothing, nothing, nothing, places, places >= 24, [])
    assert _whole_items(batch).tolist() == [list(range(12))]
