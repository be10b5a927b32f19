"""`resight embed`, `index` and `search` as a user types them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.cli.search import _sure
from resight.data.formats.course import read_course_ranking
from resight.gallery import Gallery
from resight.recognizer import load
from resight.records import ReidDataset
from resight.retrieval import evaluate
from resight.run import Run
from resight.synthetic import synthesize
from tests.support.calibrations import calibrated
from tests.support.commands import resight
from tests.support.images import corrupt
from tests.support.postgres_server import PostgresServer, why_not


def test_a_gallery_is_made_and_searched(
    trained: Run, images: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, query = tmp_path / "gallery", images / "3.png"
    status, out, err = resight("index", trained.folder, images, "--out", gallery, capsys=capsys)
    assert status == 0
    assert f"{len(crowd.gallery)} images added" in out
    assert "1 of the images could not be read" in err

    words = ["-k", "3", "--picture", tmp_path / "p.png"]
    status, out, err = resight("search", gallery, query, *words, capsys=capsys)
    assert status == 0
    assert "3.png" in out
    assert "1 of 1 query found itself in the gallery; that is not counted as a hit" in err
    assert Image.open(tmp_path / "p.png").width > 100
    status, out, _ = resight("search", gallery, query, "--json", capsys=capsys)
    hits = json.loads(out)[str(query)]
    assert len(hits) == 10
    assert not any(hit["path"].endswith("/3.png") for hit in hits), "itself"
    shutil.copy(query, tmp_path / "q.png")
    status, out, err = resight("search", gallery, tmp_path / "q.png", "--json", capsys=capsys)
    hits = json.loads(out)[str(tmp_path / "q.png")]
    assert err == ""
    assert hits[0]["path"].endswith("/3.png")
    assert hits[0]["score"] == pytest.approx(1, abs=1e-4)

    other = shutil.copytree(trained.folder, tmp_path / "other")
    recipe = other / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("metric: cosine", "metric: euclidean"))
    status, _, err = resight("index", other, images, "--out", gallery, capsys=capsys)
    assert status == 2
    assert f"embeddings of another model: {other}" in err


def test_a_table_of_images_alone_is_indexed_embedded_and_searched_for(
    trained: Run, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, features, table = tmp_path / "gallery", tmp_path / "f.parquet", tmp_path / "crops.csv"
    names = [images / f"{number}.png" for number in (1, 2, 3)]
    table.write_text("path,camera\n" + "".join(f"{name},{camera}\n" for camera, name in enumerate(names, 1)))
    spec = f"manifest:{table}"
    assert resight("index", trained.folder, spec, "--out", gallery, capsys=capsys)[0] == 0
    assert resight("embed", trained.folder, spec, "--out", features, capsys=capsys)[0] == 0
    opened = Gallery.open(gallery)
    kept = {record.path: record.camera for record in opened.fetch(opened.ids())}
    assert kept == {str(name): camera for camera, name in enumerate(names, 1)}
    status, out, _ = resight("search", gallery, spec, "--json", capsys=capsys)
    assert status == 0
    assert {query: len(hits) for query, hits in json.loads(out).items()} == {str(name): 2 for name in names}
    for line, told in (
        (
            ["train", "reid-strong-baseline", "--data", spec, "--out", tmp_path / "run"],
            "no training split with identities",
        ),
        (["evaluate", trained.folder, "--data", spec], "has no query and gallery to evaluate on"),
        (
            ["data", "split", "--data", spec, "--out", tmp_path / "s.csv"],
            "identity -2 (junk, distractor or unlabelled)",
        ),
    ):
        status, _, err = resight(*line, capsys=capsys)
        assert status == 2
        *notes, error = err.splitlines()
        assert told in error
        assert all(note.startswith("note: no column ") for note in notes), "one line of an error"


def test_a_gallery_keeps_what_an_attribute_run_sees_and_searches_without_junk(
    trained: Run, kinds: dict[str, Path], seen: set[int], crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery, query = tmp_path / "gallery", crowd.query[0].path
    words = ["--out", gallery, "--attributes", kinds["bruna"]]
    status, out, err = resight("index", trained.folder, crowd_spec, *words, capsys=capsys)
    assert status == 0, err
    assert "12 images added" in out
    assert "bad.jpg: gone" in err
    every = found(gallery, query, "-k", "12", capsys=capsys)
    assert all(hit["attributes"]["hat"] == "no" for hit in every)
    assert sum(hit["attributes"]["junk"] == "yes" for hit in every) == 4
    good = [hit["path"] for hit in every if hit["attributes"]["junk"] == "no"]
    # As many as were asked for, though the first hits may be junk.
    for count in (12, 8, 3):
        kept = found(gallery, query, "-k", str(count), "--drop-junk", capsys=capsys)
        assert [hit["path"] for hit in kept] == good[:count]


def test_nothing_is_dropped_where_nobody_knows_junk(trained: Run, crowd_spec: str, tmp_path: Path, capsys) -> None:
    words = [trained.folder, crowd_spec, "--out", tmp_path / "g"]
    status, _, err = resight("index", *words, "--drop-junk", capsys=capsys)
    assert status == 2
    assert f"error: {trained.folder} does not know junk; give --attributes RUN" in err
    assert resight("index", *words, capsys=capsys)[0] == 0
    status, _, err = resight("search", tmp_path / "g", "query.jpg", "--drop-junk", capsys=capsys)
    assert status == 2
    assert "does not say what is junk; index it with --attributes RUN" in err


def found(gallery: Path, query: str, *words: str, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    """The hits of one query."""
    status, out, err = resight("search", gallery, query, *words, "--json", capsys=capsys)
    assert status == 0, err
    return json.loads(out)[query]


@pytest.fixture
def handed_out(tmp_path: Path) -> Path:
    """The course's data, as its students get it."""
    folder = tmp_path / "course"
    people = {"identities": 8, "test_identities": 5, "images_per_camera": 3, "cameras": 3}
    synthesize(folder, layout="course", junk=0, distractors=4, size=(32, 16), **people)
    return folder


@pytest.fixture
def indexed(trained: Run, handed_out: Path, tmp_path: Path, capsys) -> Path:
    """A gallery of the course's test images."""
    status, _, err = resight("index", trained.folder, handed_out / "test", "--out", tmp_path / "g", capsys=capsys)
    assert status == 0, err
    return tmp_path / "g"


def truth(folder: Path) -> dict[str, int]:
    """`queries/000000.jpg` -> identity."""
    with open(folder / "truth_test.csv", newline="") as file:
        return {row["path"]: int(row["identity"]) for row in csv.DictReader(file)}


def course_precision(ranking: dict[str, list[str]], true: dict[str, int]) -> float:
    """The course's mAP: precision at each hit, over all that is relevant, over all queries; no camera rule."""
    found = []
    for query, identity in ((path, who) for path, who in true.items() if path.startswith("queries/")):
        relevant = {Path(path).name for path, who in true.items() if path.startswith("test/") and who == identity}
        hits, total = 0, 0.0
        for rank, name in enumerate(ranking.get(Path(query).name, []), 1):
            if name in relevant:
                hits += 1
                total += hits / rank
        found.append(total / len(relevant))
    return sum(found) / len(found)


@pytest.mark.parametrize("words", [[], ["-k", "7"]])
def test_the_courses_ranking_keeps_its_rules_and_scores_as_evaluated(
    words: list[str], indexed: Path, trained: Run, handed_out: Path, tmp_path: Path, capsys
) -> None:
    file = tmp_path / "reid_test.txt"
    status, out, err = resight("search", indexed, handed_out / "queries", "--course", file, *words, capsys=capsys)
    assert status == 0, err
    ranking = read_course_ranking(file)
    names = set(os.listdir(handed_out / "test"))
    assert sorted(ranking) == sorted(os.listdir(handed_out / "queries")), "a line for every query"
    assert out.startswith(f"{len(ranking)} queries -> {file}")
    for query, answers in ranking.items():
        assert len(answers) == (7 if words else len(names))
        assert len(set(answers)) == len(answers)
        assert set(answers) <= names
        # Each query is a copy of a test image, which the course counts.
        first = (handed_out / "test" / answers[0]).read_bytes()
        assert first == (handed_out / "queries" / query).read_bytes()
    assert "themselves" not in err

    true, model = truth(handed_out), load(trained.folder)
    sides = {side: [path for path in true if path.startswith(side)] for side in ("queries/", "test/")}
    features = {side: model.embed([str(handed_out / path) for path in paths]) for side, paths in sides.items()}
    ids = {side: np.array([true[path] for path in paths]) for side, paths in sides.items()}
    figures = evaluate(
        *features.values(),
        query_ids=ids["queries/"],
        gallery_ids=ids["test/"],
        protocol="course",
        depth=7 if words else None,
    )
    assert figures.mean_average_precision == pytest.approx(course_precision(ranking, true), abs=1e-6)
    assert 0.1 < figures.mean_average_precision < 0.99


def test_the_datasets_queries_and_a_folder_are_the_same(
    indexed: Path, handed_out: Path, tmp_path: Path, capsys
) -> None:
    files = {}
    for source in (handed_out / "queries", f"course:{handed_out}"):
        files[source] = tmp_path / f"{len(files)}.txt"
        status, _, err = resight("search", indexed, source, "--course", files[source], "-k", "3", capsys=capsys)
        assert status == 0, err
    first, second = (file.read_text() for file in files.values())
    assert first == second
    status, out, _ = resight("search", indexed, handed_out / "queries", "--json", "-k", "3", capsys=capsys)
    printed = {Path(query).name: [Path(hit["path"]).name for hit in hits] for query, hits in json.loads(out).items()}
    assert printed == read_course_ranking(tmp_path / "0.txt")
    status, _, err = resight("search", indexed, f"folders:{handed_out / 'train'}/..", "-k", "3", capsys=capsys)
    assert status == 2


def test_what_cannot_be_handed_in_is_said_before_the_work(
    indexed: Path, handed_out: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("resight.embedding.embed", lambda *_, **__: pytest.fail("the work was begun"))
    queries, file = handed_out / "queries", tmp_path / "reid_test.txt"
    (queries / "more").mkdir()
    shutil.copy(queries / "000000.jpg", queries / "more")
    words = [
        ([queries, "--course", file], "000000.jpg have one name, and the course's files name no folders; rename one"),
        ([queries / "000000.jpg", "--course", file, "--json"], "--course writes the hits to a file; leave out --json"),
        ([queries / "000000.jpg", "--course", tmp_path / "x.csv"], "name a file that ends in .txt"),
        ([queries / "000000.jpg", "--course", "/proc/x.txt"], "--course /proc/x.txt: cannot be written there"),
        ([queries / "absent.jpg"], "absent.jpg: no such file or folder"),
        ([f"manifest:{handed_out / 'test.csv'}"], "no such file"),
    ]
    for given, said in words:
        status, _, err = resight("search", indexed, *given, capsys=capsys)
        assert (status, len(err.splitlines())) == (2, 1), err
        assert said in err
    assert not file.exists()


def test_junk_and_images_that_cannot_be_read_are_left_out_of_a_ranking(
    trained: Run, kinds: dict[str, Path], seen: set[int], crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery, queries = tmp_path / "gallery", tmp_path / "queries"
    resight("index", trained.folder, crowd_spec, "--out", gallery, "--attributes", kinds["bruna"], capsys=capsys)
    queries.mkdir()
    shutil.copy(crowd.query[0].path, queries)
    corrupt(queries / "bad.png")
    words = ["--course", tmp_path / "r.txt", "--drop-junk"]
    status, _, err = resight("search", gallery, queries, *words, capsys=capsys)
    assert status == 0, err
    assert "bad.png" in err
    ((query, answers),) = read_course_ranking(tmp_path / "r.txt").items()
    assert query == Path(crowd.query[0].path).name
    assert sorted(answers) == sorted(Path(record.path).name for record in crowd.gallery if record.frame not in seen)
    (tmp_path / "r.txt").unlink()
    status, _, err = resight("search", gallery, queries / "bad.png", *words, capsys=capsys)
    assert status == 2
    assert "the image could not be read" in err
    assert not (tmp_path / "r.txt").exists()


def test_conditions_narrow_a_search_and_its_index_must_be_there(
    trained: Run, crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys
) -> None:
    gallery, query = tmp_path / "gallery", crowd.query[0].path
    assert resight("index", trained.folder, crowd_spec, "--out", gallery, capsys=capsys)[0] == 0
    cameras = {record.camera for record in crowd.gallery}
    camera = min(cameras)
    every = found(gallery, query, "-k", "12", "--how", "exact", capsys=capsys)
    here = found(gallery, query, "-k", "12", "--where", f"camera={camera}", "--where", "frame=2..", capsys=capsys)
    kept = {record.path for record in crowd.gallery if record.camera == camera and record.frame >= 2}
    assert [hit["path"] for hit in here] == [hit["path"] for hit in every if hit["path"] in kept]
    status, out, _ = resight("search", gallery, query, "--where", "frame=1000..", capsys=capsys)
    assert (status, out) == (0, f"{query}: no image of the gallery fulfils the condition\n")
    for words, said in (
        (["--where", "kamera=1"], "no column 'kamera' (did you mean 'camera'?)"),
        (["--where", "camera=left"], "camera holds whole numbers, not 'left'"),
        (["--how", "ann"], "has no index"),
    ):
        status, _, err = resight("search", gallery, query, *words, capsys=capsys)
        assert (status, said in err) == (2, True), err


@pytest.mark.slow
def test_a_gallery_in_a_database(trained: Run, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Indexed, added to and searched as one in a folder is; nothing that is printed shows the password."""
    if reason := why_not():
        pytest.skip(f"no PostgreSQL server can be started: {reason}")
    (images / "bad.jpg").unlink()
    with PostgresServer() as server:
        where, printed = server.address("crops"), ""
        for expected in (" images added, ", "(12 were there already)"):
            status, out, err = resight("index", trained.folder, images, "--out", where, capsys=capsys)
            assert status == 0, err
            printed += out + err
            there = len(Gallery.open(where))
            assert expected.replace("12", str(there)) in out
        status, out, err = resight("search", where, images / "0.png", "-k", 3, "--json", capsys=capsys)
        assert status == 0, err
        (hits,) = json.loads(out).values()
        assert len(hits) == 3
        folder = images.parent / "gallery"
        resight("index", trained.folder, images, "--out", folder, capsys=capsys)
        _, same, _ = resight("search", folder, images / "0.png", "-k", 3, "--json", capsys=capsys)
        (in_folder,) = json.loads(same).values()
        assert [hit["path"] for hit in hits] == [hit["path"] for hit in in_folder]
        missing = resight("search", server.address("none"), images / "0.png", capsys=capsys)
        assert missing[0] == 2
        assert "is no gallery; make one with `resight index`" in missing[2]
        printed += out + err + missing[2]
        assert not [word for word in ("u$t", "u%24t", "n%40", "n@ 1") if word in printed]
        assert f"resight@127.0.0.1:{server.port}/postgres?table=crops" in printed


def test_pictures_of_one_person_are_searched_for_together(
    trained: Run, crowd: ReidDataset, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, place = shutil.copytree(trained.folder, tmp_path / "run"), tmp_path / "gallery"
    calibration = calibrated(run, Path(crowd.train[0].path).parent.name, growth=0)
    assert resight("index", run, crowd_spec, "--out", place, capsys=capsys)[0] == 0
    gallery, queries = Gallery.open(place), [crowd.gallery[0].path, crowd.gallery[5].path, crowd.query[0].path]
    name, picture = " + ".join(queries), tmp_path / "together.png"
    for words, options in (
        ([], {}),
        (["--combine", "best"], {"combine": "best"}),
        (["--expand", 2, "--rerank"], {"expand": 2, "rerank": True}),
    ):
        words = ["search", place, *queries, "--together", "-k", 4, *words]
        status, out, err = resight(*words, "--json", "--picture", picture, capsys=capsys)
        assert status == 0, err
        assert "1 of 1 query found itself" in err
        hits = json.loads(out)
        wanted = gallery.search(queries, 4, **options)
        assert [hit["id"] for hit in hits.pop(name)] == [hit.id for hit in wanted]
        assert not hits
        assert Image.open(picture).height > 400, "three pictures below each other"
        assert "+" in resight(*words, capsys=capsys)[1]
    # Each by itself, expanded: as the library has it.
    status, out, err = resight("search", place, *queries, "--expand", 3, "--json", "-k", 4, capsys=capsys)
    assert status == 0, err
    for query, hits in json.loads(out).items():
        assert [hit["id"] for hit in hits] == [hit.id for hit in gallery.search(query, 4, expand=3)]
    # Junk is neither found nor moved towards.
    gallery.update(gallery.ids({"identity": 7}), {"junk": "yes"})
    words = ["search", place, *queries, "--together", "--expand", 2, "--drop-junk", "--json"]
    [hits] = json.loads(resight(*words, capsys=capsys)[1]).values()
    assert {hit["identity"] for hit in hits} == {8}
    # The camera of a query decides which curve tells its probabilities.
    for words, camera in ((["--camera", 1], 1), ([], -1)):
        status, out, _ = resight("search", place, queries[2], *words, "--json", capsys=capsys)
        [hits] = json.loads(out).values()
        near = [hit["camera"] == camera for hit in hits]
        wanted = calibration.probability([hit["score"] for hit in hits], near)
        assert [hit["probability"] for hit in hits] == pytest.approx(wanted, abs=1e-5)
    status, out, err = resight("search", place, crowd_spec, "--json", "--accept", "0.1", capsys=capsys)
    assert status == 0
    assert "note:" not in err, "it is the same data"
    for record in crowd.query:
        hits = json.loads(out)[record.path]
        near = [hit["camera"] == record.camera for hit in hits]
        assert any(near)
        wanted = calibration.probability([hit["score"] for hit in hits], near)
        assert [hit["probability"] for hit in hits] == pytest.approx(wanted, abs=1e-5)
    status, _, err = resight("search", place, *queries, "--together", "--accept", "0.1", capsys=capsys)
    assert "note: the probabilities were fitted on single pictures; of several together" in err
    calibrated(run, "elsewhere")
    status, _, err = resight("search", place, queries[0], "--accept", "0.1", capsys=capsys)
    assert status == 0
    assert "fitted on street (75 individuals, 2026-11-26), and its images lie in a folder elsewhere" in err


def test_no_probability_is_shown_as_certain() -> None:
    shown = [_sure(probability) for probability in (None, 0.001, 0.005, 0.5, 0.994, 0.995, 0.9999)]
    assert shown == ["–", "<0.01", "0.01", "0.50", "0.99", ">0.99", ">0.99"]


def test_options_of_a_search_that_do_not_go_together(
    trained: Run, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, told in (
        (["--combine", "best"], "--combine is for --together"),
        (["--course", tmp_path / "r.txt", "--rerank"], "--course ranks each query as it is; leave out --rerank"),
        (["--course", tmp_path / "r.txt", "--camera", 3], "--course ranks each query as it is; leave out --camera"),
    ):
        status, _, err = resight("search", tmp_path / "gallery", "q.jpg", *words, capsys=capsys)
        assert (status, err) == (2, f"error: {told}\n")


def test_a_calibrated_run_says_how_sure_it_is_or_that_there_is_nobody(
    trained: Run, images: Path, tmp_path: Path, capsys
) -> None:
    run, gallery = tmp_path / "run", tmp_path / "gallery"
    shutil.copytree(trained.folder, run)
    query = str(sorted(images.iterdir())[0])
    status, _, err = resight("index", run, images, "--out", gallery, capsys=capsys)
    assert status == 0, err
    status, _, err = resight("search", gallery, query, "--accept", "0.5", capsys=capsys)
    assert status == 2
    assert "knows no probabilities; run `resight calibrate" in err
    curves = {"within": None, "across": {"scores": [-1.0, 1.0], "probabilities": [0.0, 1.0]}}
    facts = {"fitted on": {"dataset": "street", "fingerprint": load(run).fingerprint}, "curves": curves}
    (run / "calibration.json").write_text(json.dumps(facts))
    status, out, _ = resight("search", gallery, query, "-k", 5, "--json", capsys=capsys)
    hits = json.loads(out)[query]
    assert status == 0
    assert len(hits) == 5
    for hit in hits:
        assert hit["probability"] == pytest.approx((hit["score"] + 1) / 2, abs=1e-5)
    limit = (hits[1]["probability"] + hits[2]["probability"]) / 2
    status, out, _ = resight("search", gallery, query, "-k", 5, "--json", "--accept", limit, capsys=capsys)
    assert [hit["id"] for hit in json.loads(out)[query]] == [hit["id"] for hit in hits[:2]]
    assert "probability" in resight("search", gallery, query, capsys=capsys)[1]
    status, out, _ = resight("search", gallery, query, "--accept", "1", "--where", "camera=2", capsys=capsys)
    assert status == 0
    assert "nobody" in out
    (run / "calibration.json").unlink()
    made = Gallery.create(tmp_path / "other", model=load(run))
    assert made.calibration is None
