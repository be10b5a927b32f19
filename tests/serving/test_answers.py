"""What a gallery answers."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from resight.gallery import Gallery
from resight.gallery.rows import row_id
from resight.gallery.transfer import export_table
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run
from resight.serving.answers import Answers
from resight.serving.schemas import Options
from tests.support.calibrations import calibrated
from tests.support.legacy import LEGACY

ClientOf = Callable[..., TestClient]


def test_conditions_facets_names_and_the_timeline(client: TestClient, gallery: Gallery) -> None:
    facts = client.post("/api/v1/facets", json={"where": {"camera": 1}}).json()
    assert facts["matching"] == 6
    assert {entry["value"]: entry["count"] for entry in facts["columns"]["upper_color"]} == {
        "red": 2,
        "blue": 2,
        "green": 2,
    }
    about = client.get("/api/v1/gallery").json()
    assert (about["count"], about["calibrated"]) == (12, False)
    assert {"camera", "upper_color", "identity"} <= {column["name"] for column in about["columns"]}
    ids = [str(number) for number in gallery.ids({"identity": 3})]
    assert client.patch("/api/v1/items", json={"ids": ids, "name": "<b>the courier</b>"}).json() == {"updated": 2}
    stays = client.get("/api/v1/timeline", params={"name": "<b>the courier</b>"}).json()
    assert sorted(stay["camera"] for stay in stays) == [1, 2]
    assert sorted(id for stay in stays for id in stay["ids"]) == sorted(ids)
    assert stays[0] in client.get("/api/v1/timeline", params={"identity": 3}).json()
    table = client.post("/api/v1/export", json={"ids": ids}).text
    assert table.splitlines()[0].startswith("id,path,camera,time,tracklet,identity")
    assert table.count("the courier") == 2
    columns = {column["name"] for column in about["columns"]} | set(facts["columns"])
    assert "path" not in columns, "it tells where files are"


def test_of_many_images_none_are_followed_and_few_values_are_told(
    client: TestClient, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resight.serving.answers._FOLLOWED", 1)
    monkeypatch.setattr("resight.serving.answers._VALUES", 2)
    client.patch("/api/v1/items", json={"ids": [str(one) for one in gallery.ids()[:5]], "name": "Ann"})
    for of in ({"identity": 3}, {"name": "Ann"}):
        answer = client.get("/api/v1/timeline", params=of)
        assert (answer.status_code, "too many to follow" in answer.json()["detail"]) == (400, True)
    colours = client.post("/api/v1/facets", json={}).json()["columns"]["upper_color"]
    assert colours == [{"value": "blue", "count": 4}, {"value": "green", "count": 4}], "equal ones in their order"


def test_exported_times_are_those_of_the_gallerys_own_export(
    served_model: Recognizer, photographed: list[Record], tmp_path: Path
) -> None:
    gallery = Gallery.create(tmp_path / "timed", model=served_model)
    times = (1_780_000_000_123, 0, None)
    gallery.add([replace(record, time=time, tracklet=7) for record, time in zip(photographed, times, strict=False)])
    export_table(gallery, tmp_path / "own.csv")
    own = {row["path"]: row["time"] for row in csv.DictReader((tmp_path / "own.csv").open())}
    rows = list(csv.DictReader(io.StringIO(Answers(gallery).export(gallery.ids(None).tolist()))))
    assert {row["path"]: row["time"] for row in rows} == own
    assert sorted(own.values()) == ["", "1970-01-01T00:00:00.000", "2026-05-28T20:26:40.123"]
    assert {row["tracklet"] for row in rows} == {"7"}


def test_a_name_is_no_formula_in_a_spreadsheet(client: TestClient, gallery: Gallery) -> None:
    ids = [str(number) for number in gallery.ids({"identity": 3})]
    client.patch("/api/v1/items", json={"ids": ids, "name": "=HYPERLINK(1)"})
    table = client.post("/api/v1/export", json={"ids": ids}).text
    names = [row["name"] for row in csv.DictReader(io.StringIO(table))]
    assert names == ["'=HYPERLINK(1)"] * 2


def test_marked_answers_move_a_query_in_euclidean_galleries_and_their_attributes_with_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("vae", "bruna"):
        model = load(LEGACY / "runs" / name, "cpu")
        gallery = Gallery.create(tmp_path / name, model=model)
        assert gallery.metric != "cosine"
        width = model.schema.width if model.weighs_attributes else 0
        features = random.random((20, model.width), np.float32) + 5
        attributes = random.random((20, width), np.float32) if width else None
        gallery.add_embeddings(Embeddings(features, [Record(f"/{place}.jpg") for place in range(20)], attributes))
        ids = [row_id(f"/{place}.jpg", None) for place in range(20)]
        query = (features[0] + 0.1, None if attributes is None else attributes[0])
        found = Answers(gallery).search([query], Options(k=20, right=[ids[3], ids[4]], wrong=[ids[9]]))

        def moved(own: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return (own + 0.75 * (rows[3] + rows[4]) / 2 - 0.15 * rows[9]) / 1.6

        distances = np.linalg.norm(moved(query[0], features) - features, axis=1)
        if attributes is not None:
            distances *= 0.1 + np.linalg.norm(moved(attributes[0], attributes).clip(0, 1) - attributes, axis=1)
        assert [hit.file for hit in found.hits] == [f"{place}.jpg" for place in np.argsort(distances)]


def test_the_camera_of_a_query_tells_which_probabilities_are_its(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    calibration = calibrated(run)
    gallery = Gallery.create(tmp_path / "gallery", model=run)
    gallery.add(crowd.gallery)
    vector = gallery.features(gallery.ids()[:1])[0]
    for camera in (None, 1, 2):
        hits = Answers(gallery).search([(vector, None)], Options(camera=camera)).hits
        wanted = calibration.probability([hit.score for hit in hits], [hit.camera == camera for hit in hits])
        assert [hit.probability for hit in hits] == pytest.approx(wanted, abs=1e-5)
    best = max(wanted)
    for accept, nobody in ((best - 0.001, False), (min(1.0, best + 0.001), best < 1)):
        assert Answers(gallery).search([(vector, None)], Options(camera=2, accept=accept)).nobody == nobody
