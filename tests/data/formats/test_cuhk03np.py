from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.data.formats.cuhk03np import read_cuhk03np
from resight.errors import DataError
from tests.support.layouts import Pictures


def test_names_become_records(cuhk: Path) -> None:
    dataset = read_cuhk03np(cuhk / "labeled")
    assert (dataset.name, dataset.protocol) == ("cuhk03np", "market1501")
    assert [(record.identity, record.camera) for record in dataset.train] == [(1, 1), (1, 2), (4, 1)]
    assert [(record.identity, record.camera) for record in dataset.query] == [(3, 1), (3, 2)]
    assert {Path(record.path).parent.parent.name for record in dataset} == {"labeled"}


def test_the_folder_above_names_the_one_meant(cuhk: Path) -> None:
    for spec in (f"cuhk03np:{cuhk}", str(cuhk)):
        with pytest.raises(DataError, match=r"cuhk03np wants .*did you mean .*detected"):
            read_dataset(spec)


def test_name_that_does_not_parse(cuhk: Path, pictures: Pictures) -> None:
    pictures(cuhk / "detected" / "query", ["1_001_1_01.png"])
    with pytest.raises(
        DataError, match=r"1_001_1_01.png: name does not parse; CUHK03-NP names look like 0001_c1_1.png"
    ):
        read_cuhk03np(cuhk / "detected")
