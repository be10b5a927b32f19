"""Records as rows: what goes in comes out, and numbers of images are what they are for good."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from resight.errors import DataError
from resight.gallery.rows import attribute_columns, certainties, file_number, records_of, row_id, rows_of
from resight.records import JUNK, AttributeSchema, Embeddings, Record


def test_records_come_back_as_they_were_with_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = [
        Record("a.jpg"),
        Record("/x/b.jpg", 7, 2, 451, 1, {"colour": "red"}, time=-5, tracklet=9),
        Record("/x/c.jpg", JUNK, 0, 0, 0, {"Größe": "groß", "colour": ""}, time=0, tracklet=0),
    ]
    rows = rows_of(Embeddings(np.eye(3, dtype=np.float32), records))
    assert records_of(rows) == [Record(str(tmp_path / "a.jpg")), *records[1:]]
    assert rows["camera"].to_pylist() == [None, 2, 0], "unknown is null"
    assert rows["identity"].to_pylist() == [None, 7, JUNK]


def test_a_number_is_of_path_frame_and_box_and_stays() -> None:
    assert row_id("/crops/a.jpg") == row_id("/crops/x/../a.jpg") == 4028284224748517808
    numbers = {row_id("/a"), row_id("/a", 1), row_id("/a", 11), row_id("/a", 1, [0, 0, 2, 2]), row_id("/a", box=[1])}
    assert len(numbers) == 5
    assert all(0 <= number < 2**63 for number in numbers)


def test_a_file_has_one_number_by_all_its_paths(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("a")
    (tmp_path / "d").write_text("")
    assert len({file_number(tmp_path / name) for name in "abc"}) == 1
    assert file_number(tmp_path / "d") != file_number(tmp_path / "a")


def test_a_models_probabilities_stand_beside_the_values() -> None:
    schema = AttributeSchema({"hat": ("no", "yes"), "bag": ("big", "none", "small")})
    probabilities = np.array([[0.25, 0.75, 0.5, 0.125, 0.375], [0.75, 0.25, 0, 0.25, 0.75]], np.float32)
    records = [Record("a"), Record("b", attributes={"hat": "yes", "bag": "enormous"})]
    rows = rows_of(Embeddings(np.eye(2, dtype=np.float32), records, probabilities), schema)
    assert rows["hat"].to_pylist() == ["yes", "yes"], "the record's own, else the most probable"
    assert rows["hat_probability"].to_pylist() == [0.75, 0.25]
    assert rows["bag"].to_pylist() == ["big", "enormous"]
    assert rows["bag_probability"].to_pylist() == [0.5, None], (
        "nothing is known of a value that the model does not have"
    )
    assert records_of(rows)[0].attributes == {"hat": "yes", "bag": "big"}


def test_columns_of_users_own_are_attributes_as_text() -> None:
    rows = rows_of(Embeddings(np.eye(1, dtype=np.float32), [Record("/a")]))
    rows = rows.append_column("seen", pa.array([True])).append_column("weight", pa.array([1.5]))
    assert records_of(rows)[0].attributes == {"seen": "true", "weight": "1.5"}


def test_an_attribute_with_the_name_of_a_field_is_refused() -> None:
    with pytest.raises(DataError, match="attribute 'camera' has the name of a column that every gallery has"):
        attribute_columns([Record("a", attributes={"camera": "left"})])


def test_how_sure_a_model_is_stands_beside_what_it_recognised() -> None:
    rows = pa.table(
        {"hat": ["no", "yes"], "hat_probability": [0.75, None], "odd_probability": [0.1, 0.2], "name": ["Ann", None]}
    )
    assert certainties(rows) == [{"hat": 0.75}, {}]
    assert certainties(rows.select(["name"])) == [{}, {}]
