"""The shared nouns: what they refuse, and that embeddings come back from disk as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from resight.errors import DataError
from resight.files import written_whole
from resight.records import AttributeSchema, Embeddings, Record, ReidDataset


def test_impossible_records_are_refused() -> None:
    for wrong in ({"path": ""}, {"path": "a.jpg", "identity": -3}, {"path": "a.jpg", "camera": -2}):
        with pytest.raises(DataError):
            Record(**wrong)


def test_schema_names_what_is_valid() -> None:
    schema = AttributeSchema({"hair": ("short", "long")})
    assert schema.index("hair", "long") == 1
    with pytest.raises(DataError, match="short, long"):
        schema.index("hair", "green")
    with pytest.raises(DataError, match="the data has: hair"):
        schema.index("hat", "yes")
    with pytest.raises(DataError, match="distinct"):
        AttributeSchema({"hair": ("short", "short")})
    records = [Record("a", attributes={"hat": "yes"}), Record("b", attributes={"hat": "no"})]
    assert AttributeSchema.from_records(records).classes == {"hat": ("no", "yes")}


def test_schema_says_where_an_attributes_probabilities_stand() -> None:
    schema = AttributeSchema({"hair": ("short", "long"), "age": ("young", "adult", "old"), "hat": ("no", "yes")})
    assert schema.width == 7
    assert [list(range(7))[schema.columns(name)] for name in schema.names] == [[0, 1], [2, 3, 4], [5, 6]]
    with pytest.raises(DataError, match=r"unknown attribute 'hats' \(did you mean 'hat'\?\); there is: hair, age, hat"):
        schema.columns("hats")
    with pytest.raises(DataError, match="unknown attribute 'shoes'; there is: hair, age, hat"):
        schema.columns("shoes")


def test_embeddings_round_trip(tmp_path) -> None:
    known = Record("ä b.jpg", 3, 1, frame=9, sequence=2, attributes={"hat": "no"}, time=1_790_000_000_123, tracklet=4)
    records = [known, Record("c.jpg")]
    features = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    Embeddings(features, records).save(tmp_path / "f.parquet")
    again = Embeddings.load(tmp_path / "f.parquet")
    np.testing.assert_array_equal(again.features, features)
    assert list(again.records) == records
    assert again.identities.tolist() == [3, -2]
    assert again.cameras.tolist() == [1, -1]
    # As older versions wrote it.
    pq.write_table(pq.read_table(tmp_path / "f.parquet").drop_columns(["time", "tracklet"]), tmp_path / "f.parquet")
    assert list(Embeddings.load(tmp_path / "f.parquet").records) == [
        replace(known, time=None, tracklet=None),
        records[1],
    ]


def test_attribute_probabilities_are_a_column_of_their_own(tmp_path: Path) -> None:
    records = [Record("a.jpg", attributes={"hat": "no"}), Record("b.jpg", attributes={"hat": "yes"})]
    features, attributes = np.eye(2, 3, dtype=np.float32), np.array([[0.9, 0.1], [0.25, 0.75]], np.float32)
    Embeddings(features, records, attributes).save(tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet").to_pydict()
    assert table["feature"] == [[1, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(table["attribute_probabilities"], attributes)
    again = Embeddings.load(tmp_path / "f.parquet")
    np.testing.assert_array_equal(again.features, features)
    np.testing.assert_array_equal(again.attributes, attributes)
    assert list(again.records) == records
    Embeddings(features, records).save(tmp_path / "f.parquet")
    assert Embeddings.load(tmp_path / "f.parquet").attributes is None


def test_rows_of_embeddings_are_selected_with_their_records() -> None:
    records = [Record(f"{number}.jpg", number) for number in range(4)]
    numbers = np.arange(4, dtype=np.float32)[:, None]
    whole = Embeddings(numbers, records, -numbers)
    for rows, wanted in ((slice(1, 3), [1, 2]), (slice(3, None), [3]), (np.array([2, 0]), [2, 0]), (slice(0), [])):
        some = whole.select(rows)
        assert some.features[:, 0].tolist() == some.identities.tolist() == wanted
        assert some.attributes is not None
        assert (-some.attributes[:, 0]).tolist() == wanted
        assert all(record is records[number] for record, number in zip(some.records, wanted, strict=True))
    assert Embeddings(numbers, records).select(slice(2)).attributes is None


def test_files_that_hold_no_embeddings_are_named(tmp_path) -> None:
    (tmp_path / "f.parquet").write_text("nothing")
    for name in ("f.parquet", "missing.parquet"):
        with pytest.raises(DataError, match=f"{name}.*resight embed"):
            Embeddings.load(tmp_path / name)
    with pytest.raises(DataError, match="do not fit"):
        Embeddings(np.zeros((2, 3), np.float32), [Record("a.jpg")])
    for wrong in (np.zeros((2, 3)), np.zeros(1)):
        with pytest.raises(DataError, match="1 records do not fit attributes of shape"):
            Embeddings(np.zeros((1, 3), np.float32), [Record("a.jpg")], wrong.astype(np.float32))


def test_dataset_yields_every_record() -> None:
    dataset = ReidDataset("d", train=[Record("a")], query=[Record("b")], gallery=[Record("c")])
    assert [record.path for record in dataset] == ["a", "b", "c"]


def test_a_failed_write_leaves_the_old_file(tmp_path) -> None:
    file = tmp_path / "f.txt"
    file.write_text("old")

    def write_half() -> None:
        with written_whole(file) as partial:
            partial.write_text("half")
            raise ValueError("mid")

    with pytest.raises(ValueError, match="mid"):
        write_half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
