"""The gallery: finds what a brute-force search finds, grows, and survives what happens to files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
from PIL import Image
from scipy.spatial.distance import cdist

from resight.embedding import embed
from resight.errors import DataError, ImageError, RunError
from resight.files import locked
from resight.gallery import Gallery, Hit
from resight.gallery.rows import row_id
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.retrieval.calibration import Calibration, Curve
from resight.run import Run
from tests.support.calibrations import calibrated
from tests.support.images import corrupt
from tests.support.legacy import LEGACY, copied, expected, legacy_street
from tests.support.runs import Narrow


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
    by_id = {row_id(record.path, record.frame): record for record in crowd.train}
    assert [hit.record for hit in hits] == [by_id[hit.id] for hit in hits]
    assert hits[0].probability is None
    for same in (pixels(crowd.query[0]), Image.open(query)):
        assert [hit.id for hit in gallery.search(same, k=5)] == [hit.id for hit in hits]


def test_probabilities_are_of_the_query_s_camera_and_the_gallery_s_size(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    fitted = calibrated(run, images=len(crowd.train) // 4)
    gallery = Gallery.create(tmp_path / "gallery", model=run)
    gallery.add(crowd.train)
    asked = embed(gallery.model, crowd.query[:1]).embeddings
    vector, [query] = asked.features, asked.records
    [found] = gallery.rank(asked, 40)
    scores = [hit.score for hit in gallery.hits(found)]
    cameras = np.array([hit.record.camera for hit in gallery.hits(found)])
    for camera, near in ((-1, cameras < 0), (query.camera, cameras == query.camera), (9, cameras == 9)):
        wanted = fitted.probability(scores, near, len(crowd.train))
        for hits in (
            gallery.hits(found, camera),
            gallery.search_individual(vector, 40, camera=camera),
            gallery.search([query.path], 40, camera=camera),
        ):
            assert [hit.probability for hit in hits] == pytest.approx(wanted, abs=1e-4)
    assert max(wanted) < 0.9

    class Forgetful(Gallery):
        """As another thread may leave it at any moment, which refreshes."""

        _size = property(lambda self: None, lambda self, size: None)  # type: ignore[assignment]

    refreshed = Forgetful.open(gallery.where)
    assert [hit.probability for hit in refreshed.hits(found, 9)] == pytest.approx(wanted, abs=1e-4)
    alike = fitted.probability(scores, cameras < 0)
    assert wanted / (1 - wanted) == pytest.approx(alike / (1 - alike) / 2), "four times the images, growth 0.5"
    [first, *_] = gallery.hits(found)
    gallery.delete([hit.id for hit in gallery.hits(found)][20:])
    assert (first.probability or 1) < (gallery.hits(found)[0].probability or 0), "the gallery is smaller now"
    gallery.add(crowd.train)
    assert gallery.hits(found)[0].probability == first.probability


def test_tracklets_and_pictures_together_have_their_own_probabilities(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    flat = [Calibration(None, Curve((0.0,), (share,))) for share in (0.2, 0.3)]
    fitted = replace(calibrated(run), across=Curve((0.0,), (0.1,)), tracklets=flat[0], together=flat[1])
    (run / "calibration.json").write_text(fitted.to_json())
    images, entries = (Gallery.create(tmp_path / name, model=run) for name in ("images", "entries"))
    images.add(crowd.gallery)
    entries.add([replace(record, attributes={"tracklet_images": "4"}) for record in crowd.gallery])
    one, two = crowd.query[0].path, [record.path for record in crowd.query[:2]]
    for gallery, query, wanted in ((images, one, 0.1), (images, two, 0.3), (entries, one, 0.2), (entries, two, 0.2)):
        assert {hit.probability for hit in gallery.search(query)} == {wanted}
    assert "single images" not in (entries.caution or "")


def test_a_gallery_says_that_its_calibration_is_of_another_site(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    place = Path(crowd.train[0].path).parent.name
    for folder, told in ((place, False), ("mall", True)):
        calibrated(run, folder)
        gallery = Gallery.create(tmp_path / folder, model=run)
        assert gallery.caution is None, "nothing is in it"
        gallery.add(crowd.train[:3])
        for opened in (gallery, Gallery.open(tmp_path / folder)):
            assert ("in a folder mall, which these do not" in (opened.caution or "")) == told
    assert Gallery.create(tmp_path / "plain", model=trained.folder).caution is None


def test_a_calibration_made_later_is_known_without_the_model(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    Gallery.create(tmp_path / "gallery", model=run).add(crowd.train[:3])
    assert Gallery.open(tmp_path / "gallery").calibration is None
    first = calibrated(run, growth=0.25)
    opened = Gallery.open(tmp_path / "gallery")
    assert opened.calibration == first
    assert opened._model is None
    made = Gallery.create(tmp_path / "later", model=run)
    made.add(crowd.train[:3])
    shutil.rmtree(run)
    assert Gallery.open(tmp_path / "later").calibration == first, "it travels with the gallery"


def test_each_image_gets_its_own_value_at_once(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.train[:4])
    ids = gallery.ids()[::-1]
    assert gallery.update_each(ids[:3], {"individual": [7, None, 5]}) == 3
    for opened in (gallery, Gallery.open(tmp_path / "gallery")):
        assert [record.attributes.get("individual") for record in opened.fetch(ids)] == ["7", None, "5", None]
        assert opened.columns["individual"] == "int"
    assert gallery.update_each(ids, {"identity": [1, 2, 3, 4]}) == 4
    assert [record.identity for record in gallery.fetch(ids)] == [1, 2, 3, 4]
    assert gallery.update_each(ids, {"identity": np.arange(4), "camera": [-1, 2, np.int32(3), None]}) == 4
    assert [(record.identity, record.camera) for record in gallery.fetch(ids)] == [(0, -1), (1, 2), (2, 3), (3, -1)]
    assert gallery.counts("camera") == {2: 1, 3: 1}, "a camera that is not known is none"
    assert gallery.span("camera", {"identity": [1, 3]}) == (2, 2)
    assert (gallery.span("camera", {"identity": 3}), gallery.count({"identity": 3}), gallery.count()) == (None, 1, 4)
    for nobody in ([], [7, 8]):
        assert gallery.update_each(nobody, {"nothing": ["a"] * len(nobody)}) == 0
        assert "nothing" not in gallery.columns, "nor in any later answer"
    assert gallery.update_each([7, int(ids[0])], {"something": ["a", "b"]}) == 1
    assert gallery.fetch(ids[:1])[0].attributes["something"] == "b"
    for column, values, told in (
        ("individual", [1, 2], "2 values of individual for 4 images"),
        ("individual", [1, "two", 3, 4], "individual takes int, not 'two'"),
        ("camera", [1, 2, 3, -7], "camera takes numbers from 0 to .*, not -7"),
        ("identity", [1, 2, 3, -3], "identity takes numbers from -1 to .*, not -3"),
        ("time", [1, 2, 3, 2**63], "time takes numbers from"),
        ("path", ["a", "b", "c", "d"], "path cannot be changed"),
    ):
        with pytest.raises(DataError, match=told):
            gallery.update_each(ids, {column: values})


def test_a_gallery_remembers_its_run_and_grows(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    made = Gallery.create(tmp_path / "gallery", model=trained.folder)
    assert made.add([record.path for record in crowd.train[:10]]).count == 10
    again = Gallery.open(tmp_path / "gallery")
    again.add(crowd.gallery)
    opened = Gallery.open(tmp_path / "gallery")
    assert len(opened) == 10 + len(crowd.gallery)
    assert opened.search(pixels(crowd.gallery[3]), k=1)[0].record == crowd.gallery[3]
    assert sorted(opened.paths()) == sorted(record.path for record in (*crowd.train[:10], *crowd.gallery))
    assert sorted(os.listdir(tmp_path / "gallery")) == ["gallery.json", "rows.lance"]


def test_a_gallery_finds_a_run_that_was_moved_and_refuses_another(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    Gallery.create(tmp_path / "gallery", model=load(folder)).add(crowd.train[:4])
    query = pixels(crowd.train[2])
    assert Gallery.open(tmp_path / "gallery").search(query, k=1)[0].record == crowd.train[2]
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(RunError, match=r"was made with that run; if it has moved, give its new place"):
        Gallery.open(tmp_path / "gallery").search(query)
    assert Gallery.open(tmp_path / "gallery", model=moved).search(query, k=1)[0].record == crowd.train[2]

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
    assert other.add(crowd.train[2:5]) == (2, [], 1, 0)
    one.add_embeddings(Embeddings(model.embed([crowd.train[5].path]), [crowd.train[5]]))
    for gallery in (one, Gallery.open(tmp_path / "gallery", model=model)):
        assert sorted(gallery.paths()) == sorted(record.path for record in crowd.train[:6])
        assert [gallery.search(pixels(record), k=1)[0].record for record in crowd.train[:6]] == list(crowd.train[:6])


def test_an_addition_waits_for_another_one_and_readers_do_not(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.train[:2])
    monkeypatch.setattr("resight.gallery.lance._PATIENCE", 0.1)
    with locked(tmp_path / "gallery", RunError):
        assert gallery.search(pixels(crowd.train[1]), k=1)[0].record == crowd.train[1]
        assert len(Gallery.open(tmp_path / "gallery")) == 2
        with pytest.raises(RunError, match="gallery is in use by another process"):
            gallery.add(crowd.train[2:4])
    assert gallery.add(crowd.train[2:4]).count == 2


def test_a_handle_sees_what_others_wrote_when_it_is_refreshed(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    Gallery.create(tmp_path / "gallery", model=model).add(crowd.train[:2])
    reader, writer = (Gallery.open(tmp_path / "gallery", model=model) for _ in range(2))
    writer.add(crowd.train[2:4])
    assert (len(reader), len(writer)) == (2, 4)
    assert reader.search(pixels(crowd.train[3]), k=1)[0].record in crowd.train[:2]
    assert reader.refresh() > 1
    assert reader.search(pixels(crowd.train[3]), k=1)[0].record == crowd.train[3]


def test_images_that_are_there_are_passed_over_and_paths_are_absolute(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    monkeypatch.chdir(Path(crowd.train[0].path).parent)
    relative = [Record(Path(record.path).name) for record in crowd.train[:3]]
    assert gallery.add(relative[:2]).count == 2
    assert gallery.paths() == [record.path for record in crowd.train[:2]]
    assert gallery.add(relative) == (1, [], 2, 0)
    assert gallery.add(crowd.train[:3]) == (0, [], 3, 0)
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
    assert gallery.add([tmp_path / "soft.png", *sorted(copies.iterdir())]) == (5, [], 1, 0)
    assert gallery.add(same) == (0, [], 5, 0)
    others = sorted(Path(record.path).name for record in crowd.train[1:5])
    for path in same:
        hits = gallery.search(path, k=4)
        assert sorted(Path(hit.record.path).name for hit in hits) == others, path
        assert gallery.search(path, k=1) == hits[:1]
        assert len(gallery.search(path, k=9)) == 4
    # Another file, though of the same bytes, is one: the course's queries are.
    assert gallery.add(["equal.png"]).count == 1
    assert [Path(hit.record.path).name for hit in gallery.search("equal.png", k=1)] == ["soft.png"]
    found = gallery.search("hard.png", k=1)[0]
    assert Path(found.record.path).name == "equal.png"
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
    assert sorted(whole.ids) == sorted(map(row_id, others))
    assert near.ids.tolist() == whole.ids[:3].tolist()
    assert next(gallery.rank(asked, 3, without=whole.ids[:2])).ids.tolist() == whole.ids[2:5].tolist()
    assert [hit.id for hit in gallery.search(query, k=3)] == near.ids.tolist()


def test_euclidean_scores_are_minus_distances(model: Recognizer, tmp_path: Path) -> None:
    recipe = model.recipe.model_copy(deep=True)
    recipe.retrieval.metric = "euclidean"
    gallery = Gallery.create(tmp_path / "gallery", model=Narrow(model.model, recipe))
    features = np.array([[0, 0], [3, 4], [1, 0]], np.float32)
    gallery.add_embeddings(Embeddings(features, [Record(f"{i}.jpg") for i in range(3)]))
    hits = gallery.search_features(np.zeros((1, 2), np.float32), k=9)[0]
    assert [(Path(hit.record.path).name, hit.score) for hit in hits] == [
        ("0.jpg", 0.0),
        ("2.jpg", -1.0),
        ("1.jpg", -5.0),
    ]


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
            assert [Path(hit.record.path).stem for hit in hits] == [str(place) for place in np.argsort(row)[:7]]
            np.testing.assert_allclose([-hit.score for hit in hits], np.sort(row)[:7], rtol=1e-4)


def test_weighed_attributes_are_columns_with_their_probabilities(tmp_path: Path) -> None:
    gallery = weighted(tmp_path / "gallery")
    gallery.add(legacy_street().gallery[:6])
    ids = gallery.ids()
    records = gallery.fetch(ids)
    _, probabilities = gallery.model.embed_with_attributes([record.path for record in records])
    for name, classes in gallery.model.schema.classes.items():
        assert gallery.columns[name] == "text"
        assert gallery.columns[f"{name}_probability"] == "float"
        likely = probabilities[:, gallery.model.schema.columns(name)]
        for value in classes:
            true = [id for id, record in zip(ids, records, strict=True) if record.attributes[name] == value]
            assert gallery.ids({name: value}).tolist() == true
        sure = {
            id
            for id, row, record in zip(ids, likely, records, strict=True)
            if row[classes.index(record.attributes[name])] >= 0.6
        }
        assert set(gallery.ids({f"{name}_probability": (0.6, None)})) == sure


def test_what_does_not_fit_the_gallerys_attributes_is_refused(model: Recognizer, tmp_path: Path) -> None:
    features, record = np.ones((1, 16), np.float32), [Record("a.jpg")]
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
    plain = Gallery.create(tmp_path / "plain", model=Narrow(model.model, model.recipe))
    with pytest.raises(DataError, match="holds 0 probabilities .*, these have 6: another"):
        plain.add_embeddings(Embeddings(features[:, :2], record, features[:, :6]))


@pytest.mark.parametrize("name", ["vae", "bruna"])
def test_a_gallery_of_format_2_finds_what_it_found_and_grows_into_todays(name: str, tmp_path: Path) -> None:
    folder, street, run = copied(f"galleries/{name}", tmp_path), legacy_street(), LEGACY / "runs" / name
    table = pq.read_table(next(folder.glob("*.parquet")))
    numbers = {os.path.abspath(path): number for number, path in enumerate(table["path"].to_pylist())}

    def finds_as_then(gallery: Gallery) -> None:
        for query, wanted in zip(street.query, expected(name)["hits"], strict=True):
            hits = [hit for hit in gallery.search(query.path, k=9) if hit.record.path in numbers]
            assert [numbers[hit.record.path] for hit in hits] == [number for number, _ in wanted]
            np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in wanted], atol=1e-5)

    gallery = Gallery.open(folder, model=load(run, "cpu"))
    assert [record.camera for record in gallery.records] == [record.camera for record in street.gallery]
    assert sorted(os.listdir(folder)) == ["gallery.json", "rows.lance"]
    finds_as_then(gallery)
    with pytest.raises(RunError, match="was made with that run; if it has moved, give its new place"):
        Gallery.open(folder).search(street.query[0].path)
    assert gallery.add(street.query[:2]).count == 2
    assert json.loads((folder / "gallery.json").read_text())["format"] == 4
    grown = Gallery.open(folder, model=load(run, "cpu"))
    assert len(grown) == 9
    finds_as_then(grown)
    assert grown.search(pixels(street.query[1]), k=1)[0].record.path == street.query[1].path


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
    with pytest.raises(DataError, match="the image could not be read"):
        gallery.add([bad])
    assert len(Gallery.open(tmp_path / "gallery", model)) == 2


def test_features_that_compare_with_nothing_are_refused(model: Recognizer, tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=Narrow(model.model, model.recipe))
    for value in (np.nan, np.inf):
        features = np.array([[1, 0], [value, 0]], np.float32)
        with pytest.raises(DataError, match="these have numbers that are not finite"):
            gallery.add_embeddings(Embeddings(features, [Record("a.jpg"), Record("b.jpg")]))
        assert len(gallery) == 0
    gallery.add_embeddings(Embeddings(np.eye(2, dtype=np.float32), [Record("a.jpg"), Record("b.jpg")]))
    with pytest.raises(DataError, match="the query has numbers that are not finite"):
        gallery.search_features(np.full((1, 2), np.nan, np.float32))


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
    with pytest.raises(
        DataError, match=r"no column 'kamera' \(did you mean 'camera'\?\); the gallery has: id, path, .*, sequence$"
    ):
        empty.search(crowd.query[0].path, where={"kamera": 1})
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
    rows = tmp_path / "gallery" / "rows.lance"
    for file in (rows / "_versions").iterdir():
        file.write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"gallery is damaged \("):
        Gallery.open(tmp_path / "gallery")
    shutil.rmtree(rows)
    with pytest.raises(RunError, match=r"gallery is damaged: rows\.lance is missing; put it back, or make"):
        Gallery.open(tmp_path / "gallery")


def test_handles_that_begin_a_gallery_together_share_it(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> None:
    one, other = (Gallery.create(tmp_path / "gallery", model=model, empty=False) for _ in range(2))
    assert not (tmp_path / "gallery").exists()
    one.add(crowd.train[:2])
    other.add(crowd.train[1:3])
    assert Gallery.open(tmp_path / "gallery").paths() == [record.path for record in crowd.train[:3]]


@pytest.fixture
def plane(model: Recognizer, tmp_path: Path) -> Gallery:
    """Twelve images on a half circle, of two cameras, some with a colour."""
    gallery = Gallery.create(tmp_path / "gallery", model=Narrow(model.model, model.recipe))
    angles = np.linspace(0, np.pi, 12)
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    colours = ["red", "green", None]
    records = [
        Record(
            f"{number:02}.jpg",
            camera=number % 2 + 1,
            time=number * 3_600_000,
            attributes={"colour": colour} if (colour := colours[number % 3]) else {},
        )
        for number in range(12)
    ]
    gallery.add_embeddings(Embeddings(features, records))
    return gallery


def names(hits: list[Hit]) -> list[int]:
    return [int(Path(hit.record.path).stem) for hit in hits]


EAST = np.array([[1, 0]], np.float32)


def test_conditions_are_on_fields_times_and_attributes(plane: Gallery) -> None:
    wanted: list[tuple[dict[str, object], list[int]]] = [
        ({}, list(range(12))),
        ({"camera": 2}, [1, 3, 5, 7, 9, 11]),
        ({"camera": [1, 2], "colour": "red"}, [0, 3, 6, 9]),
        ({"time": ("02:00", "04:00"), "not": {"colour": "green"}}, [3]),
        ({"or": [{"colour": "green"}, {"camera": 5}]}, [1, 4, 7, 10]),
        ({"camera": 9}, []),
    ]
    for where, numbers in wanted:
        assert names(plane.search_features(EAST, 12, where)[0]) == numbers
        assert names(plane.search_features(EAST, 2, where)[0]) == numbers[:2]
        assert sorted(names([Hit(0, 0, None, record) for record in plane.fetch(plane.ids(where))])) == numbers
    assert plane.counts("colour") == {"green": 4, "red": 4}
    assert plane.counts("camera", {"colour": "red"}) == {1: 2, 2: 2}
    assert "file" not in plane.columns
    assert "vector" not in plane.columns


def test_rows_are_changed_and_deleted(plane: Gallery) -> None:
    ids = {number: row_id(f"{number:02}.jpg") for number in range(12)}
    assert plane.update([ids[1], ids[2], 5], {"name": "the courier", "identity": 7}) == 2
    opened = Gallery.open(plane.where)
    assert opened.columns["name"] == "text"
    assert [record.identity for record in opened.fetch([ids[2], 5, ids[1]])] == [7, 7]
    assert names(opened.search_features(EAST, 9, {"name": "the courier"})[0]) == [1, 2]
    assert opened.fetch([ids[1]])[0].attributes == {"colour": "green", "name": "the courier"}
    assert opened.update([ids[1]], {"name": None, "colour": "blue"}) == 1
    assert opened.fetch([ids[1]])[0].attributes == {"colour": "blue"}
    for wrong, said in (({"camera": "one"}, "camera takes int"), ({"path": "x"}, "path cannot be changed")):
        with pytest.raises(DataError, match=said):
            opened.update([ids[1]], wrong)
    assert opened.delete([ids[0], 5]) == 1
    assert opened.delete(where={"colour": "red"}) == 3
    assert names(opened.search_features(EAST, 12)[0]) == [1, 2, 4, 5, 7, 8, 10, 11]
    with pytest.raises(DataError, match="say what to delete"):
        opened.delete()
    plane.refresh()
    assert len(plane) == 8
    assert plane.delete(where={}) == 8
    assert len(plane) == 0


def test_features_come_back_as_they_were_made(plane: Gallery) -> None:
    angles = np.linspace(0, np.pi, 12)
    features = plane.features([row_id("03.jpg"), row_id("00.jpg")])
    np.testing.assert_array_equal(features, np.array([[np.cos(angles[3]), np.sin(angles[3])], [1, 0]], np.float32))
    with pytest.raises(DataError, match="1 of 2 ids are not in"):
        plane.features([row_id("03.jpg"), 5])


def test_several_pictures_of_one_individual_are_searched_together(plane: Gallery) -> None:
    two = np.array([[1, 0], [-1, 1e-3]], np.float32)  # both ends
    mean, best = (plane.search_individual(two, 4, combine=how) for how in ("mean", "best"))
    assert sorted(names(mean)) == [4, 5, 6, 7], "their mean points up"
    assert sorted(names(best)) == [0, 1, 10, 11]
    assert best[0].score == pytest.approx(1)
    expanded = plane.search_individual(EAST, 3, expand=4)
    angles = np.linspace(0, np.pi, 12)
    np.testing.assert_allclose([hit.score for hit in expanded], np.cos(angles[names(expanded)]), atol=1e-6)
    assert names(expanded)[0] in (1, 2), "moved towards its neighbours"
    assert sorted(names(plane.search_individual(EAST, 3, rerank=True))) == sorted(
        names(plane.search_individual(EAST, 3))
    )
    with pytest.raises(DataError, match="at least one picture"):
        plane.search_individual(EAST[:0])


def test_what_another_deletes_during_a_search_is_left_out(plane: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    real, other = Gallery._merged, Gallery.open(plane.where)

    def meanwhile(self, *asked):
        found = real(self, *asked)
        other.delete(found.ids[:1])
        self.refresh()
        return found

    monkeypatch.setattr(Gallery, "_merged", meanwhile)
    assert names(plane.search_individual(EAST, 3, expand=2, rerank=True)) == [2, 3, 4]
    assert len(plane) == 10
    other.delete(where={})
    monkeypatch.undo()
    assert plane.search_individual(EAST, 3, {"camera": 99}, expand=2, rerank=True) == []
