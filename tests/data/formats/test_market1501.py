from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.attributes import MARKET_SCHEMA
from resight.data.formats.market1501 import read_market1501
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, Record
from tests.support.layouts import TARGETS, Pictures, write_market_mat


def test_names_become_records(market: Path) -> None:
    dataset = read_market1501(market)
    assert dataset.name == "market1501"
    assert dataset.protocol == "market1501"
    assert [len(records) for records in dataset.splits.values()] == [8, 2, 5]
    assert dataset.query[1] == Record(
        str(market / "query" / "0003_c2s3_000151_00.jpg"), identity=3, camera=2, frame=151, sequence=3
    )
    assert {record.identity for record in dataset.train} == {2, 7}
    assert all(Path(record.path).is_file() for record in dataset)
    assert dataset.schema.classes == {}


def test_junk_and_distractors_stay_apart(market: Path) -> None:
    found = {record.identity: record for record in read_market1501(market).gallery}
    assert found[JUNK].camera == 3
    assert found[JUNK].frame == 401
    assert found[DISTRACTOR].camera == 2
    assert sum(record.identity >= 1 for record in read_market1501(market).gallery) == 3


@pytest.mark.parametrize("place", ["market_attribute.mat", "attribute/market_attribute.mat", "../market_attribute.mat"])
def test_attributes_are_found_in_and_beside_the_dataset(market: Path, place: str) -> None:
    path = market / place
    path.parent.mkdir(exist_ok=True)
    old = TARGETS | {"age": "old"}
    write_market_mat(path, {2: TARGETS, 7: old}, {1: old, 3: TARGETS})
    dataset = read_market1501(market)
    assert dataset.schema == MARKET_SCHEMA
    assert {record.attributes["age"] for record in dataset.train if record.identity == 7} == {"old"}
    assert dataset.query[0].attributes == old
    by_identity = {record.identity: record for record in dataset.gallery}
    assert by_identity[1].attributes == old
    assert by_identity[JUNK].attributes == {}


def test_wrong_layouts(market: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"did you mean .*Market-1501-v15"):
        read_market1501(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_market1501(tmp_path / "absent")
    archive = tmp_path / "Market.zip"
    archive.touch()
    with pytest.raises(DataError, match="a file, not a folder"):
        read_market1501(archive)
    (market / "query").rename(market / "queries")
    with pytest.raises(DataError, match=r"no folder query/ in it"):
        read_market1501(market)
    (market / "query").mkdir()
    with pytest.raises(DataError, match="query: no images"):
        read_market1501(market)


@pytest.mark.parametrize("name", ["holiday.jpg", "0002_c1_000451_03.jpg", "-2_c1s1_000001_00.jpg", "0002c1s1.jpg"])
def test_name_that_does_not_parse_is_named(market: Path, pictures: Pictures, name: str) -> None:
    pictures(market / "bounding_box_test", [name])
    with pytest.raises(DataError, match="does not parse") as error:
        read_market1501(market)
    assert str(market / "bounding_box_test" / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["-1_c1s1_000001_00.jpg", "0000_c1s1_000001_00.jpg"])
def test_junk_in_training_is_refused(market: Path, pictures: Pictures, name: str) -> None:
    pictures(market / "bounding_box_train", [name])
    with pytest.raises(DataError, match=name):
        read_market1501(market)
