"""The shared nouns: what they refuse, and that embeddings come back from disk as they were."""

from __future__ import annotations

import numpy as np
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


def test_embeddings_round_trip(tmp_path) -> None:
    records = [Record("ä b.jpg", 3, 1, frame=9, sequence=2, attributes={"hat": "no"}), Record("c.jpg")]
    features = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    Embeddings(features, records).save(tmp_path / "f.parquet")
    again = Embeddings.load(tmp_path / "f.parquet")
    np.testing.assert_array_equal(again.features, features)
    assert list(again.records) == records
    assert again.identities.tolist() == [3, -2]
    assert again.cameras.tolist() == [1, -1]


def test_files_that_hold_no_embeddings_are_named(tmp_path) -> None:
    (tmp_path / "f.parquet").write_text("nothing")
    for name in ("f.parquet", "missing.parquet"):
        with pytest.raises(DataError, match=f"{name}.*resight embed"):
            Embeddings.load(tmp_path / name)
    with pytest.raises(DataError, match="do not fit"):
        Embeddings(np.zeros((2, 3), np.float32), [Record("a.jpg")])


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
