"""Attribute runs from training to figures, predictions and a gallery that knows junk."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from resight.cli.app import app
from resight.data.attributes import MARKET_COLUMNS, columns_from_targets
from resight.data.formats import read_dataset
from resight.data.formats.course import read_course_classification
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError, RunError
from resight.recognizer import load
from resight.records import Record, ReidDataset
from resight.run import Run
from resight.synthetic import synthesize
from resight.tasks.attributes.evaluation import evaluate
from resight.tasks.attributes.prediction import predict, write_predictions
from resight.training import train
from tests.support.commands import command
from tests.support.images import corrupt
from tests.support.recipes import tiny_overrides
from tests.support.runs import assert_equal_weights, metrics

FAST = ["epochs=1", "validation.ratio=0.2", "optimiser.lr=0.002"]
RESNET = [*FAST, "rates={}"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data") / "street"
    synthesize(folder, identities=60, test_identities=20, images_per_camera=3, cameras=3, size=(32, 16))
    return f"market1501:{folder}"


@pytest.fixture(scope="module")
def run(street: str, tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """ResNet of the third source: twelve attributes, two cameras, junk."""
    folder = tmp_path_factory.mktemp("runs") / "attributes"
    recipe = tiny(*RESNET, recipe="attributes-resnet18")
    return train(recipe, read_dataset(street), folder, data=[street], quiet=True)


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_schema_travels_with_the_run(run: Run, street: str) -> None:
    model = load(run.folder)
    assert model.schema == run.schema
    assert model.schema.names[-3:] == ("camera-1", "camera-2", "junk")
    found = model.recognise([record.path for record in read_dataset(street).train[:5]])
    assert {name: values.shape for name, values in found.items()} == {
        name: (5, len(classes)) for name, classes in model.schema.classes.items()
    }
    for values in found.values():
        np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
    with pytest.raises(RunError, match="recognises attributes and makes no embeddings"):
        model.embed([np.zeros((32, 16, 3), np.uint8)])
    assert run.trained_on([street])
    assert not run.trained_on(["market1501:/elsewhere"])


def test_splits_are_the_trainings_own_and_figures_those_of_the_predictions(run: Run, street: str) -> None:
    dataset, model = read_dataset(street), load(run.folder)
    found = evaluate(model, dataset, trained_here=True)
    ids = {name: {record.identity for record in split.records} for name, split in found.splits.items()}
    assert not ids["train"] & ids["validation"]
    assert len(ids["validation"]) == 8
    assert ids["test"] == {record.identity for record in dataset.query}
    test = [record for record in (*dataset.query, *dataset.gallery) if record.identity > 0]
    said = [row for batch in predict(model, test) for row in batch.classes(model.schema)]
    for name in ("hat", "upper_color", "age"):
        right = np.mean([row[name] == record.attributes[name] for row, record in zip(said, test, strict=True)])
        assert found.splits["test"].scores.attributes[name].accuracy == pytest.approx(right)
    junk = found.splits["test"].scores.attributes["junk"].confusion
    assert junk[1].sum() == len(test) // 20
    assert junk[0].sum() == len(test)
    # A dataset that the run has never seen is one set.
    assert list(evaluate(model, dataset, trained_here=False).splits) == ["all"]


def test_the_annotation_authors_protocol_counts_a_missing_colour_as_wrong(run: Run, street: str) -> None:
    dataset, model = read_dataset(street), load(run.folder)
    found = evaluate(model, dataset, trained_here=True, protocol="apr").splits["test"]
    gallery = [record for record in dataset.gallery if record.identity > 0]
    assert len(gallery) == (found.targets[:, 0] >= 0).sum()
    place = model.schema.names.index("upper_color")
    multi = model.schema.index("upper_color", "multi")
    figures = found.scores.attributes["upper_color"]
    assert figures.confusion[:, multi].sum() == 0
    assert figures.confusion[multi].sum() == (found.targets[:, place] == multi).sum()
    with pytest.raises(DataError, match="no protocol 'best'"):
        evaluate(model, dataset, trained_here=True, protocol="best")


def test_predictions_have_the_courses_columns(run: Run, street: str, tmp_path: Path) -> None:
    folder = Path(street.split(":", 1)[1]) / "query"
    out = call("predict", run.folder, folder, "--out", tmp_path / "p.csv")
    assert "12 attributes" not in out
    with open(tmp_path / "p.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["id", *MARKET_COLUMNS]
    assert {line["id"] for line in lines} == {path.name for path in folder.iterdir()}
    model = load(run.folder)
    targets = read_course_classification(tmp_path / "p.csv")
    record = Record(str(folder / lines[0]["id"]))
    (batch,) = predict(model, [record])
    said = batch.classes(model.schema)[0]
    assert targets[lines[0]["id"]] == {name: said[name] for name in targets[lines[0]["id"]]}
    assert {name: int(lines[0][name]) for name in MARKET_COLUMNS} == columns_from_targets(said)
    call("predict", run.folder, folder, "--out", tmp_path / "m.csv", "--multi")
    assert "upmulticolor" in (tmp_path / "m.csv").read_text().splitlines()[0]


def test_parquet_and_json_have_probabilities(run: Run, street: str, tmp_path: Path) -> None:
    dataset, model = read_dataset(street), load(run.folder)
    records = list(dataset.query)
    for ending in ("parquet", "json"):
        written = write_predictions(tmp_path / f"p.{ending}", model, records)
        assert written.images == len(records)
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    entries = json.loads((tmp_path / "p.json").read_text())
    found = model.recognise([record.path for record in records])
    for row, (line, entry) in enumerate(zip(table, entries, strict=True)):
        assert line["path"] == entry["path"] == records[row].path
        assert line["hat"] == entry["attributes"]["hat"] == ("no", "yes")[found["hat"][row].argmax()]
        assert line["hat=yes"] == pytest.approx(found["hat"][row, 1], abs=1e-5)
        assert entry["probabilities"]["age"]["old"] == pytest.approx(found["age"][row, 3], abs=1e-5)
    with pytest.raises(DataError, match=r"ends in \.csv, \.parquet, \.json"):
        write_predictions(tmp_path / "p.txt", model, records)


def test_unreadable_images_are_named_and_the_rest_is_predicted(run: Run, street: str, tmp_path: Path) -> None:
    model, records = load(run.folder), list(read_dataset(street).query[:3])
    bad = Record(corrupt(tmp_path / "bad.jpg"))
    written = write_predictions(tmp_path / "p.csv", model, [records[0], bad, *records[1:]])
    assert written.images == 3
    assert len(written.failed) == 1
    assert "bad.jpg" in written.failed[0]
    with pytest.raises(DataError, match="none of 1 images could be read"):
        write_predictions(tmp_path / "none.csv", model, [bad])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jpg", "p.csv"]


def test_evaluate_prints_the_sources_table_and_writes_the_report(run: Run, street: str, tmp_path: Path) -> None:
    out = call("evaluate", run.folder, "--data", street, "--report", tmp_path / "r.html")
    for words in ("camera-1", "upper_color", "mean of the 12 attributes", "mean of all 15", "majority", "mA"):
        assert words in out
    assert "80.9" in out, "the published figure for backpacks on validation"
    page = (tmp_path / "r.html").read_text()
    assert "Confusion matrices" in page
    assert page.count("<img") == 2
    figures = json.loads(call("evaluate", run.folder, "--data", street, "--report", tmp_path / "r.html", "--json"))
    assert set(figures) == {"train", "validation", "test"}
    assert 0 <= figures["validation"]["mA"] <= 1


def test_a_gallery_keeps_attributes_and_leaves_junk_out(
    run: Run, street: str, crowd: ReidDataset, tiny, tmp_path
) -> None:
    embedder = train(tiny("epochs=1"), crowd, tmp_path / "e", quiet=True)
    whole = call("index", embedder.folder, street, "--out", tmp_path / "g", "--attributes", run.folder)
    assert "images added" in whole
    query = read_dataset(street).query[0].path
    hits = json.loads(call("search", tmp_path / "g", query, "-k", "400", "--json"))[query]
    assert all({"hat", "upper_color", "junk"} <= set(hit["attributes"]) for hit in hits)
    junk = [hit["path"] for hit in hits if hit["attributes"]["junk"] == "yes"]
    kept = json.loads(call("search", tmp_path / "g", query, "-k", "400", "--drop-junk", "--json"))[query]
    assert [hit["path"] for hit in kept] == [hit["path"] for hit in hits if hit["path"] not in junk]
    out = call("index", embedder.folder, street, "--out", tmp_path / "h", "--attributes", run.folder, "--drop-junk")
    assert f"{len(junk)} of {len(hits)} images are junk" in out


@pytest.mark.slow
def test_a_killed_attribute_run_resumes_to_equal_weights(street: str, tmp_path: Path) -> None:
    # Target weights that adapt are the state that could be lost.
    recipe = ["attributes-resnet18", *tiny_overrides("attributes-resnet18"), *RESNET, "epochs=4", "--data", street]
    subprocess.run(command("train", *recipe, "--out", str(tmp_path / "whole")), check=True)
    victim = subprocess.Popen(command("train", *recipe, "--out", str(tmp_path / "cut")))
    while not (tmp_path / "cut" / "metrics.csv").exists() or len(metrics(tmp_path / "cut")) < 2:
        assert victim.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    victim.kill()
    victim.wait()
    subprocess.run(command("train", "--resume", str(tmp_path / "cut")), check=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")
    figures = [{key: row[key] for key in row if key != "seconds"} for row in metrics(tmp_path / "whole")]
    assert figures == [{key: row[key] for key in row if key != "seconds"} for row in metrics(tmp_path / "cut")]


def test_what_cannot_be_learned_is_named_before_anything_is_written(street: str, tiny, tmp_path: Path) -> None:
    dataset = read_dataset(street)
    recipe = tiny(*FAST, recipe="attributes-residual-cnn")
    bare = replace(dataset, train=[replace(record, attributes={}) for record in dataset.train])
    flat = replace(
        dataset, train=[replace(record, attributes={**record.attributes, "hat": "no"}) for record in dataset.train]
    )
    odd = replace(
        dataset, train=[replace(record, attributes={**record.attributes, "hat": "3"}) for record in dataset.train]
    )
    for wrong, complaint in (
        (bare, "none of its training identities is annotated"),
        (flat, "attribute hat has only 'no'"),
        (odd, "hat is '3'; its classes are no, yes"),
    ):
        with pytest.raises(DataError, match=complaint):
            train(recipe, wrong, tmp_path / "run", quiet=True)
    with pytest.raises(DataError, match="has no attribute shoes"):
        train(tiny("attributes.names=[shoes]", recipe="attributes-residual-cnn"), dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_people_without_annotation_are_named_and_left_out(street: str, tiny, tmp_path: Path, capsys) -> None:
    dataset = read_dataset(street)
    first = dataset.train[0].identity
    some = [replace(record, attributes={}) if record.identity == first else record for record in dataset.train]
    recipe = tiny(*FAST, recipe="attributes-residual-cnn")
    run = train(recipe, replace(dataset, train=some), tmp_path / "run", quiet=True)
    assert f"1 identities have no attributes and are left out: {first}" in capsys.readouterr().err.replace("\n", " ")
    assert run.finished


def test_any_manifest_with_attribute_columns_trains(crowd: ReidDataset, tmp_path: Path) -> None:
    """Somebody else's attributes need no code: the schema is what the manifest has."""
    made = [
        replace(r, attributes={"side.x": "even" if r.identity % 2 else "odd", "size": str(r.identity % 3)})
        for r in crowd.train
    ]
    write_manifest(tmp_path / "m.csv", ReidDataset("own", train=made))
    overrides = [*tiny_overrides("attributes-residual-cnn"), "epochs=1"]
    call(
        "train",
        "attributes-residual-cnn",
        *overrides,
        "--data",
        f"manifest:{tmp_path / 'm.csv'}",
        "--out",
        tmp_path / "run",
    )
    assert load(tmp_path / "run").schema.classes == {"side.x": ("even", "odd"), "size": ("0", "1", "2")}
    call("predict", tmp_path / "run", made[0].path, "--out", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().startswith("path,side.x,size\n")


def test_vehicles_colour_and_type_train(tiny, tmp_path: Path) -> None:
    synthesize(tmp_path / "road", kind="vehicles", identities=60, images_per_camera=2, cameras=3, size=(32, 32))
    dataset = read_dataset(f"veri776:{tmp_path / 'road'}")
    recipe = tiny(*FAST, "image.width=32", recipe="attributes-residual-cnn")
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    assert run.schema.names == ("color", "type")
    assert evaluate(load(run.folder), dataset, trained_here=True).splits["test"].scores.attributes["type"].images > 0
