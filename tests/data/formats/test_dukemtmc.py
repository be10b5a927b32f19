from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import detect_format
from resight.data.formats.dukemtmc import read_dukemtmc
from resight.errors import DataError
from resight.records import Record
from tests.support.layouts import Pictures


def test_names_become_records(duke: Path) -> None:
    dataset = read_dukemtmc(duke)
    assert (dataset.name, dataset.protocol) == ("dukemtmc", "market1501")
    assert [len(records) for records in dataset.splits.values()] == [3, 1, 3]
    assert dataset.train[1] == Record(
        str(duke / "bounding_box_train" / "0001_c5_f0046542.jpg"), identity=1, camera=5, frame=46542
    )
    # A distractor of this dataset has a number of its own.
    assert [record.identity for record in dataset.gallery] == [5, 5, 12]


def test_wrong_layout_and_names(duke: Path, pictures: Pictures) -> None:
    with pytest.raises(DataError, match=r"dukemtmc wants the folder that holds .*did you mean .*DukeMTMC-reID"):
        read_dukemtmc(duke.parent)
    pictures(duke / "query", ["0005_c2s1_000001_00.jpg"])
    with pytest.raises(DataError, match=r"0005_c2s1_000001_00.jpg: name does not parse; .*0002_c1_f0044158.jpg"):
        read_dukemtmc(duke)


def test_names_of_no_dataset_are_not_taken_for_identity_folders(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "bounding_box_train", ["0001_c1_0001.jpg"])
    with pytest.raises(DataError, match=r"layout not recognised; name the format.*dukemtmc"):
        detect_format(tmp_path)
