"""The gallery: finds what a brute-force search finds, grows, and survives what happens to files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
from PIL import Image
from scipy.spatial.distance import cdist

from resight.errors import DataError, ImageError, RunError
from resight.files import locked
from resight.gallery import Gallery
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run
from tests.support.images import corrupt
from tests.support.legacy import LEGACY, copied, expected, legacy_street


@pytest.fixture(scope="module")
def model(trained: Run) -> Recognizer:
    return load(trained.folder)


def pixels(record: Record) -> np.ndarray:
    """The image without its file, so that it may find itself."""
    return np.asarray(Image.open(record.path).convert("RGB"))


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
    for same in (pixels(crowd.query[0]), Image.open(query)):
        assert [hit.id for hit in gallery.search(same, k=5)] == [hit.id for hit in hits]


def test_a_gallery_remembers_its_run_and_grows(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    made = Gallery.create(tmp_path / "gallery", model=trained.folder)
    assert made.add([record.path for record in crowd.train[:10]]).count == 10
    again = Gallery.open(tmp_path / "gallery")
    again.add(crowd.gallery)
    opened = Gallery.open(tmp_path / "gallery")
    assert len(opened) == 10 + len(crowd.gallery)
    assert opened.search(pixels(crowd.gallery[3]), k=1)[0].id == 13
    assert opened.records[13] == crowd.gallery[3]
    assert len(list((tmp_path / "gallery").iterdir())) == 3, "old generations are removed"


def test_a_gallery_finds_a_run_that_was_moved_and_refuses_another(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    Gallery.create(tmp_path / "gallery", model=load(folder)).add(crowd.train[:4])
    query = pixels(crowd.train[2])
    assert Gallery.open(tmp_path / "gallery").search(query, k=1)[0].id == 2
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(RunError, match=r"was made with that run; if it has moved, give its new place"):
        Gallery.open(tmp_path / "gallery").search(query)
    assert Gallery.open(tmp_path / "gallery", model=moved).search(query, k=1)[0].id == 2

    trained_again = shutil.copytree(moved, folder)
    weights = safetensors.torch.load_file(trained_again / "model.safetensors")
    weights[min(weights)] += 0.001
    safetensors.torch.save_file(weights, trained_again / "model.safetensors")
    with pytest.raises(RunError, match=r"run has changed since"):
        Gallery.open(tmp_path / "gallery").search(query)
    with pytest.raises(RunError, match=r"holds embeddings of another model: .*run did not make them, .* index anew"):
        Gallery.open(tmp_path / "gallery", model=trained_again)


def test_handles_side_by_side_lose_nothing(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "gallery", model=model)
    one, other = (Gallery.open(tmp_path / "gallery", model=model) for _ in range(2))
    assert one.add(crowd.train[:3]).count == 3
    assert other.add(crowd.train[2:5]) == (2, [], 1)
    one.add_embeddings(Embeddings(model.embed([crowd.train[5].path]), [crowd.train[5]]))
    for gallery in (one, Gallery.open(tmp_path / "gallery", model=model)):
        assert [record.path for record in gallery.records] == [record.path for record in crowd.train[:6]]
        assert [gallery.search(pixels(record), k=1)[0].record for record in crowd.train[:6]] == list(crowd.train[:6])
    assert len(list((tmp_path / "gallery").iterdir())) == 3


def test_an_addition_waits_for_another_one_and_readers_do_not(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.train[:2])
    monkeypatch.setattr("resight.gallery.gallery._PATIENCE", 0.1)
    with locked(tmp_path / "gallery", RunError):
        assert gallery.search(pixels(crowd.train[1]), k=1)[0].id == 1
        assert len(Gallery.open(tmp_path / "gallery")) == 2
        with pytest.raises(RunError, match="gallery is in use by another process"):
            gallery.add(crowd.train[2:4])
    assert gallery.add(crowd.train[2:4]).count == 2


def test_a_gallery_that_grows_while_it_is_opened_is_read_as_it_is_then(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gallery.create(tmp_path / "gallery", model=model).add(crowd.train[:2])
    grown = Gallery.open(tmp_path / "gallery", model=model)
    read = Gallery._read_facts

    def overtaken(folder: Path) -> dict[str, object]:
        facts = read(folder)
        monkeypatch.undo()
        grown.add(crowd.train[2:4])
        return facts

    monkeypatch.setattr(Gallery, "_read_facts", staticmethod(overtaken))
    assert len(Gallery.open(tmp_path / "gallery")) == 4


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


def test_a_file_is_in_the_gallery_once_and_no_answer_to_itself_by_whatever_path(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for record in crowd.train[:5]:
        shutil.copy(record.path, copies)
    first = copies / Path(crowd.train[0].path).name
    (tmp_path / "linked").symlink_to(copies)
    (tmp_path / "soft.png").symlink_to(first)
    os.link(first, tmp_path / "hard.png")
    shutil.copy(first, tmp_path / "equal.png")
    monkeypatch.chdir(tmp_path)
    same = [first, "copies/../copies/" + first.name, tmp_path / "linked" / first.name, "soft.png", "hard.png"]

    gallery = Gallery.create(tmp_path / "gallery", model=model)
    assert gallery.add([tmp_path / "soft.png", *sorted(copies.iterdir())]) == (5, [], 1)
    assert gallery.add(same) == (0, [], 5)
    for path in same:
        hits = gallery.search(path, k=4)
        assert sorted(hit.id for hit in hits) == [1, 2, 3, 4], path
        assert gallery.search(path, k=1) == hits[:1]
        assert len(gallery.search(path, k=9)) == 4
    # Another file, though of the same bytes, is one: the course's queries are.
    assert gallery.add(["equal.png"]).count == 1
    assert [hit.id for hit in gallery.search("equal.png", k=1)] == [0]
    found = gallery.search("hard.png", k=1)[0]
    assert (found.id, Path(found.record.path).name) == (5, "equal.png")
    assert found.score == pytest.approx(1, abs=1e-5)


def test_a_gallery_that_has_a_file_several_times_still_answers_with_as_many_as_asked(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    query = tmp_path / "query.png"
    shutil.copy(crowd.train[0].path, query)
    names = [tmp_path / f"{number}.png" for number in range(6)]
    for name in names:
        name.symlink_to(query)
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    others = [record.path for record in crowd.train[4:12]]
    records = [Record(str(path)) for path in (*names, *others)]
    gallery.add_embeddings(Embeddings(model.embed([record.path for record in records]), records))  # as before
    assert len(gallery) == 14
    asked = Embeddings(model.embed([str(query)]), [Record(str(query))])
    near = next(gallery.rank(asked, 3))
    whole = next(gallery.rank(asked))
    assert near.itself
    assert whole.places.shape == (8,)
    assert whole.places.min() == 6
    assert near.places.tolist() == whole.places[:3].tolist()
    assert next(gallery.rank(asked, 3, without=whole.places[:2].tolist())).places.tolist() == whole.places[2:5].tolist()
    assert [hit.id for hit in gallery.search(query, k=3)] == near.places.tolist()


def test_euclidean_scores_are_minus_distances(model: Recognizer, tmp_path: Path) -> None:
    recipe = model.recipe.model_copy(deep=True)
    recipe.retrieval.metric = "euclidean"
    gallery = Gallery.create(tmp_path / "gallery", model=Recognizer(model.model, recipe))
    features = np.array([[0, 0], [3, 4], [1, 0]], np.float32)
    gallery.add_embeddings(Embeddings(features, [Record(f"{i}.jpg") for i in range(3)]))
    hits = gallery.search_features(np.zeros((1, 2), np.float32), k=9)[0]
    assert [(hit.id, hit.score) for hit in hits] == [(0, 0.0), (2, -1.0), (1, -5.0)]


def weighted(folder: Path) -> Gallery:
    """A gallery of the older run that weighs attributes: features of 16 numbers, and 6 probabilities."""
    return Gallery.create(folder, model=load(LEGACY / "runs" / "bruna", "cpu"))


def test_attributes_are_weighed_as_their_distance_has_it(tmp_path: Path) -> None:
    gallery = weighted(tmp_path / "gallery")
    random = np.random.default_rng(0)
    images, asked = ([random.random((count, width), np.float32) for width in (16, 6)] for count in (20, 3))
    for rows in (slice(12), slice(12, None)):  # it grows
        records = [Record(f"{number}.jpg") for number in range(20)[rows]]
        gallery.add_embeddings(Embeddings(images[0][rows], records, images[1][rows]))
    whole = cdist(asked[0], images[0]) * (0.1 + cdist(asked[1], images[1]))
    for opened in (gallery, Gallery.open(tmp_path / "gallery")):
        for hits, row in zip(opened.search_features(asked[0], 7, attributes=asked[1]), whole, strict=True):
            assert [hit.id for hit in hits] == np.argsort(row)[:7].tolist()
            np.testing.assert_allclose([-hit.score for hit in hits], np.sort(row)[:7], rtol=1e-4)


def test_probabilities_are_a_column_of_the_records(tmp_path: Path) -> None:
    gallery = weighted(tmp_path / "gallery")
    gallery.add(legacy_street().gallery[:2])
    table = pq.read_table(next((tmp_path / "gallery").glob("*.parquet")))
    _, attributes = gallery.model.embed_with_attributes([record.path for record in gallery.records])
    np.testing.assert_allclose(table["attribute_probabilities"].to_pylist(), attributes, atol=1e-6)


def test_what_does_not_fit_the_gallerys_attributes_is_refused(model: Recognizer, tmp_path: Path) -> None:
    features, record = np.zeros((1, 16), np.float32), [Record("a.jpg")]
    gallery = weighted(tmp_path / "weighted")
    with pytest.raises(
        DataError, match="holds 6 probabilities of attributes beside each feature, these have 0: another"
    ):
        gallery.add_embeddings(Embeddings(features, record))
    gallery.add_embeddings(Embeddings(features, record, features[:, :6]))
    with pytest.raises(DataError, match="holds 6 probabilities .*, the query has 0: another"):
        gallery.search_features(features)
    with pytest.raises(DataError, match="holds 6 probabilities .*, the query has 5: another"):
        gallery.search_features(features, attributes=features[:, :5])
    plain = Gallery.create(tmp_path / "plain", model=model)
    with pytest.raises(DataError, match="holds 0 probabilities .*, these have 6: another"):
        plain.add_embeddings(Embeddings(features, record, features[:, :6]))
    file = next((tmp_path / "weighted").glob("*.parquet"))
    pq.write_table(pq.read_table(file).drop_columns("attribute_probabilities"), file)
    with pytest.raises(RunError, match="is damaged: 0 probabilities of attributes .* where its model makes 6"):
        Gallery.open(tmp_path / "weighted")


@pytest.mark.parametrize("name", ["vae", "bruna"])
def test_a_gallery_of_format_2_finds_what_it_found_and_grows_into_todays(name: str, tmp_path: Path) -> None:
    folder, street, run = copied(f"galleries/{name}", tmp_path), legacy_street(), LEGACY / "runs" / name
    with pytest.raises(RunError, match="was made with that run; if it has moved, give its new place"):
        Gallery.open(folder).search(street.query[0].path)

    def finds_as_then(gallery: Gallery) -> None:
        for query, wanted in zip(street.query, expected(name)["hits"], strict=True):
            hits = [hit for hit in gallery.search(query.path, k=9) if hit.id < 7]
            assert [hit.id for hit in hits] == [number for number, _ in wanted]
            np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in wanted], atol=1e-5)

    gallery = Gallery.open(folder, model=load(run, "cpu"))
    assert [record.camera for record in gallery.records] == [record.camera for record in street.gallery]
    finds_as_then(gallery)
    facts = folder / "gallery.json"
    assert json.loads(facts.read_text())["format"] == 2, "opening changes nothing"
    assert gallery.add(street.query[:2]).count == 2
    assert json.loads(facts.read_text())["format"] == 3
    grown = Gallery.open(folder, model=load(run, "cpu"))
    assert len(grown) == 9
    finds_as_then(grown)
    assert grown.search(pixels(street.query[1]), k=1)[0].id == 8


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


def test_features_that_compare_with_nothing_are_refused(model: Recognizer, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    for value in (np.nan, np.inf):
        features = np.array([[1, 0], [value, 0]], np.float32)
        with pytest.raises(DataError, match="these have numbers that are not finite"):
            gallery.add_embeddings(Embeddings(features, [Record("a.jpg"), Record("b.jpg")]))
        assert len(gallery) == 0
    gallery.add_embeddings(Embeddings(np.eye(2, dtype=np.float32), [Record("a.jpg"), Record("b.jpg")]))
    with pytest.raises(DataError, match="the query has numbers that are not finite"):
        gallery.search_features(np.full((1, 2), np.nan, np.float32))


def test_images_stored_without_finite_features_are_no_hits(
    model: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    features = np.array([[0, 1], [np.nan, np.nan], [1, 0], [np.nan, np.nan]], np.float32)
    monkeypatch.setattr("resight.gallery.gallery._require_finite", lambda *_: None)  # as galleries were made before
    gallery.add_embeddings(Embeddings(features, [Record(f"{name}.jpg") for name in "abcd"]))
    hits = Gallery.open(tmp_path / "gallery").search_features(np.array([[1, 0]], np.float32), k=4)[0]
    assert [(hit.id, hit.score) for hit in hits] == [(2, 1.0), (0, 0.0)]


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
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RunError, match="a.json is a file, perhaps of a gallery; give its folder"):
        Gallery.open(tmp_path / "a.json")
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
    for kind in ("faiss", "parquet"):
        file = next((tmp_path / "gallery").glob(f"*.{kind}"))
        kept = file.read_bytes()
        file.write_bytes(b"nonsense")
        with pytest.raises(RunError, match="damaged"):
            Gallery.open(tmp_path / "gallery")
        file.unlink()
        with pytest.raises(RunError, match=rf"gallery is damaged: {file.name} is missing; put it back, or make"):
            Gallery.open(tmp_path / "gallery")
        file.write_bytes(kept)


def test_handles_that_begin_a_gallery_together_share_it(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    one, other = (Gallery.create(tmp_path / "gallery", model=model, empty=False) for _ in range(2))
    assert not (tmp_path / "gallery").exists()
    one.add(crowd.train[:2])
    other.add(crowd.train[1:3])
    assert [record.path for record in Gallery.open(tmp_path / "gallery").records] == [
        record.path for record in crowd.train[:3]
    ]
