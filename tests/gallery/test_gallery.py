"""The gallery: finds what a brute-force search finds, grows, and survives what happens to files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from PIL import Image

from resight.errors import DataError, ImageError, RunError
from resight.gallery import Gallery
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run
from resight.training import train
from tests.support.images import corrupt


@pytest.fixture(scope="module")
def run(crowd: ReidDataset, tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tiny("epochs=2"), crowd, tmp_path_factory.mktemp("gallery") / "run", quiet=True)


@pytest.fixture(scope="module")
def model(run: Run) -> Recognizer:
    return load(run.folder)


def test_search_equals_brute_force(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.train)
    features = model.embed([record.path for record in crowd.train])
    query = crowd.query[0].path
    similarity = features @ model.embed([query])[0]
    hits = gallery.search(query, k=5)
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(similarity)[::-1][:5], atol=1e-5)
    assert [hit.record for hit in hits] == [crowd.train[hit.id] for hit in hits]
    assert hits[0].probability is None
    pixels = np.asarray(Image.open(query).convert("RGB"))
    for same in (pixels, Image.open(query)):
        assert [hit.id for hit in gallery.search(same, k=5)] == [hit.id for hit in hits]


def test_a_gallery_remembers_its_run_and_grows(run: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    made = Gallery.create(tmp_path / "gallery", model=run.folder)
    assert made.add([record.path for record in crowd.train[:10]]).count == 10
    again = Gallery.open(tmp_path / "gallery")
    again.add(crowd.gallery)
    opened = Gallery.open(tmp_path / "gallery")
    assert len(opened) == 10 + len(crowd.gallery)
    assert opened.search(crowd.gallery[3].path, k=1)[0].id == 13
    assert opened.records[13] == crowd.gallery[3]
    assert len(list((tmp_path / "gallery").iterdir())) == 3, "old generations are removed"


def test_a_gallery_finds_a_run_that_was_moved_and_refuses_another(run: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    Gallery.create(tmp_path / "gallery", model=load(folder)).add(crowd.train[:4])
    query = crowd.train[2].path
    assert Gallery.open(tmp_path / "gallery").search(query, k=1)[0].id == 2
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(RunError, match=r"was made with that run; where it lies elsewhere now, say where"):
        Gallery.open(tmp_path / "gallery").search(query)
    assert Gallery.open(tmp_path / "gallery", model=moved).search(query, k=1)[0].id == 2

    trained_again = shutil.copytree(moved, folder)
    weights = safetensors.torch.load_file(trained_again / "model.safetensors")
    weights[min(weights)] += 0.001
    safetensors.torch.save_file(weights, trained_again / "model.safetensors")
    with pytest.raises(RunError, match=r"run is another now"):
        Gallery.open(tmp_path / "gallery").search(query)
    with pytest.raises(RunError, match=r"holds embeddings of another model: .*run is another, .* index anew"):
        Gallery.open(tmp_path / "gallery", model=trained_again)


def test_images_that_are_there_are_passed_over_and_paths_are_absolute(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    monkeypatch.chdir(Path(crowd.train[0].path).parent)
    relative = [Record(Path(record.path).name) for record in crowd.train[:3]]
    assert gallery.add(relative[:2]).count == 2
    assert [record.path for record in gallery.records] == [record.path for record in crowd.train[:2]]
    assert gallery.add(relative) == (1, [], 2)
    assert gallery.add(crowd.train[:3]) == (0, [], 3)
    assert len(gallery) == 3


def test_euclidean_scores_are_minus_distances(model: Recognizer, tmp_path: Path) -> None:
    recipe = model.recipe.model_copy(deep=True)
    recipe.retrieval.metric = "euclidean"
    gallery = Gallery.create(tmp_path / "gallery", model=Recognizer(model.model, recipe))
    features = np.array([[0, 0], [3, 4], [1, 0]], np.float32)
    gallery.add_embeddings(Embeddings(features, [Record(f"{i}.jpg") for i in range(3)]))
    hits = gallery.search_features(np.zeros((1, 2), np.float32), k=9)[0]
    assert [(hit.id, hit.score) for hit in hits] == [(0, 0.0), (2, -1.0), (1, -5.0)]


def test_unreadable_images_are_named_and_the_rest_indexed(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    bad = corrupt(tmp_path / "bad.jpg")
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    added = gallery.add([crowd.train[0], bad, crowd.train[1]])
    assert added.count == len(gallery) == 2
    assert len(added.failed) == 1
    assert "bad.jpg" in added.failed[0]
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        gallery.search(bad)
    with pytest.raises(DataError, match="none of 1 images"):
        gallery.add([bad])
    assert len(Gallery.open(tmp_path / "gallery", model)) == 2


def test_a_kill_between_files_leaves_the_old_gallery(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.train[:4])
    monkeypatch.setattr(Gallery, "_write_facts", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        gallery.add(crowd.train[4:8])
    monkeypatch.undo()
    assert len(Gallery.open(tmp_path / "gallery", model)) == 4


def test_bad_input_is_named(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no gallery"):
        Gallery.open(tmp_path)
    empty = Gallery.create(tmp_path / "gallery", model=Recognizer(model.model, model.recipe))
    with pytest.raises(DataError, match="is empty"):
        empty.search(crowd.query[0].path)
    with pytest.raises(RunError, match="already"):
        Gallery.create(tmp_path / "gallery", model=model)
    empty.add(crowd.train[:2])
    with pytest.raises(DataError, match="at least one"):
        empty.search(crowd.query[0].path, k=0)
    with pytest.raises(DataError, match="where"):
        empty.search(crowd.query[0].path, where={"camera": 1})
    with pytest.raises(DataError, match="another model"):
        empty.add_embeddings(Embeddings(np.zeros((1, 3), np.float32), [Record("x.jpg")]))
    with pytest.raises(RunError, match="does not know its model"):
        Gallery.open(tmp_path / "gallery").search(crowd.query[0].path)
    facts = tmp_path / "gallery" / "gallery.json"
    whole = facts.read_text()
    facts.write_text(json.dumps({**json.loads(whole), "format": 99}))
    with pytest.raises(RunError, match="format 99"):
        Gallery.open(tmp_path / "gallery")
    facts.write_text(whole)
    next((tmp_path / "gallery").glob("*.faiss")).write_bytes(b"nonsense")
    with pytest.raises(RunError, match="damaged"):
        Gallery.open(tmp_path / "gallery")
