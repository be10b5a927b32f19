from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats.viper import read_viper
from resight.errors import DataError
from tests.support.layouts import Pictures


def test_half_the_pairs_train_and_the_others_are_searched(viper: Path) -> None:
    dataset = read_viper(viper)
    people = [record.identity for record in dataset.query]
    assert [len(records) for records in dataset.splits.values()] == [10, 5, 5]
    assert people == [record.identity for record in dataset.gallery]
    assert {record.camera for record in dataset.query} == {1}
    assert {record.camera for record in dataset.gallery} == {2}
    trained = {record.identity for record in dataset.train}
    assert trained | set(people) == {1 + 3 * person for person in range(10)}
    assert not trained & set(people)
    for record in dataset:
        name = Path(record.path).name
        assert record.identity == int(name[:3]) + 1


def test_draws_differ_and_repeat_themselves(viper: Path) -> None:
    assert read_viper(viper, draw=0) == read_viper(viper)
    halves = {tuple(record.identity for record in read_viper(viper, draw).query) for draw in range(5)}
    assert len(halves) > 1


def test_what_is_no_pair_is_named(viper: Path, pictures: Pictures) -> None:
    pictures(viper / "cam_b", ["001_90.bmp"])
    with pytest.raises(DataError, match=r"cam_b/001_90.bmp: this person is not in the other folder"):
        read_viper(viper)
    pictures(viper / "cam_b", ["000_135.bmp"])
    with pytest.raises(DataError, match=r"000_90.bmp: a second image of the person of .*000_135.bmp"):
        read_viper(viper)
    pictures(viper / "cam_a", ["adam.bmp"])
    with pytest.raises(DataError, match=r"adam.bmp: name does not parse"):
        read_viper(viper)
    (viper / "cam_b").rename(viper / "cam_c")
    with pytest.raises(DataError, match=r"no folder cam_b/ in it; viper wants"):
        read_viper(viper)
