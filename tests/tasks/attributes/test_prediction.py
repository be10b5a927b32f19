"""Attributes of images, written in the form that the file's name asks for."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from resight.data.attributes import MARKET_COLUMNS, columns_from_targets
from resight.data.formats import read_dataset
from resight.data.formats.course import read_course_classification
from resight.errors import DataError, RunError
from resight.recognizer import load
from resight.records import AttributeSchema, Record, ReidDataset, as_records
from resight.run import Run
from resight.tasks.attributes.prediction import annotate, predict, write_predictions
from tests.support.images import corrupt
from tests.support.runs import untrained_run


def test_a_csv_has_the_courses_columns_and_codes(run: Run, street: str, tmp_path: Path) -> None:
    model, records = load(run.folder), list(read_dataset(street).query)
    assert write_predictions(tmp_path / "p.csv", model, records).images == len(records)
    with open(tmp_path / "p.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["id", *MARKET_COLUMNS]
    assert [line["id"] for line in lines] == [Path(record.path).name for record in records]
    targets = read_course_classification(tmp_path / "p.csv")
    (batch,) = predict(model, records[:1])
    said = batch.classes(model.schema)[0]
    assert targets[lines[0]["id"]] == {name: said[name] for name in targets[lines[0]["id"]]}
    assert {name: int(lines[0][name]) for name in MARKET_COLUMNS} == columns_from_targets(said)
    assert not any(os.sep in name for name in targets), "all images are in one folder"
    write_predictions(tmp_path / "m.csv", model, records[:1], multi=True)
    assert "upmulticolor" in (tmp_path / "m.csv").read_text().splitlines()[0]


def test_parquet_and_json_have_probabilities(run: Run, street: str, tmp_path: Path) -> None:
    model, records = load(run.folder), list(read_dataset(street).query)
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


def test_other_attributes_are_a_column_each_by_their_class_names(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    schema = AttributeSchema({"side.x": ("even", "odd"), "size": ("0", "1", "2")})
    model = load(untrained_run(tmp_path / "run", tiny(recipe="attributes-residual-cnn"), schema=schema).folder)
    write_predictions(tmp_path / "p.csv", model, crowd.query)
    with open(tmp_path / "p.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    (batch,) = predict(model, crowd.query)
    said = batch.classes(schema)
    assert lines == [{"path": Path(record.path).name, **row} for record, row in zip(crowd.query, said, strict=True)]
    with pytest.raises(DataError, match="the multi-colour columns need Market-1501's twelve attributes; this run"):
        write_predictions(tmp_path / "m.csv", model, crowd.query, multi=True)
    with pytest.raises(DataError, match="the course's hand-in needs Market-1501's twelve attributes; this run"):
        write_predictions(tmp_path / "m.csv", model, crowd.query, course=True)


def test_what_is_seen_joins_what_was_annotated(run: Run, street: str) -> None:
    model, first = load(run.folder), read_dataset(street).query[0]
    given = Record(first.path, 7, 2, attributes={"shoes": "red", "hat": "unsure"})
    (record,), failed, sure = annotate(model, [given])
    assert failed == []
    assert (record.path, record.identity, record.camera) == (first.path, 7, 2)
    (batch,) = predict(model, [given])
    assert record.attributes == {"shoes": "red", **batch.classes(model.schema)[0]}, "the model's word replaces another"
    assert sure[given.path] == {name: pytest.approx(float(of[0].max())) for name, of in batch.probabilities.items()}


def test_unreadable_images_are_named_and_the_rest_is_predicted(run: Run, street: str, tmp_path: Path) -> None:
    model, records = load(run.folder), list(read_dataset(street).query[:3])
    bad = Record(corrupt(tmp_path / "bad.jpg"))
    written = write_predictions(tmp_path / "p.csv", model, [records[0], bad, *records[1:]])
    assert written.images == 3
    assert len(written.failed) == 1
    assert "bad.jpg" in written.failed[0]
    with pytest.raises(DataError, match="the image could not be read"):
        write_predictions(tmp_path / "none.csv", model, [bad])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jpg", "p.csv"]


def test_files_and_runs_that_do_not_fit_are_refused(run: Run, street: str, tiny, tmp_path: Path) -> None:
    model, records = load(run.folder), list(read_dataset(street).query[:3])
    with pytest.raises(DataError, match=r"ends in \.csv, \.parquet, \.json"):
        write_predictions(tmp_path / "p.txt", model, records)
    with pytest.raises(DataError, match=r"the multi-colour columns need a \.csv; name one"):
        write_predictions(tmp_path / "p.json", model, records, multi=True)
    with pytest.raises(DataError, match=r"the course's hand-in needs a \.csv; name one"):
        write_predictions(tmp_path / "p.json", model, records, course=True)
    other = load(untrained_run(tmp_path / "run", tiny(recipe="segmentation-unet")).folder)
    with pytest.raises(RunError, match="this run recognises no attributes"):
        write_predictions(tmp_path / "p.csv", other, records)
    assert not list(tmp_path.glob("p.*"))


def test_a_csv_tells_images_of_one_name_apart_and_the_courses_hand_in_has_names_alone(
    run: Run, street: str, tmp_path: Path
) -> None:
    model = load(run.folder)
    image = next(iter(read_dataset(street))).path
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(image, tmp_path / folder / "1.jpg")
    records = as_records([tmp_path / "a" / "1.jpg", tmp_path / "b" / "1.jpg"])
    write_predictions(tmp_path / "p.csv", model, records)
    with open(tmp_path / "p.csv", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a/1.jpg", "b/1.jpg"]
    counted: list[int] = []
    with pytest.raises(DataError, match=r"a/1\.jpg and .*b/1\.jpg have one name"):
        write_predictions(tmp_path / "c.csv", model, records, course=True, progress=counted.append)
    assert not counted, "before the work"
    write_predictions(tmp_path / "c.csv", model, records[1:], course=True)
    assert list(read_course_classification(tmp_path / "c.csv")) == ["1.jpg"]
