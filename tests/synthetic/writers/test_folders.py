"""A folder per identity in each split, as the reader of identity folders reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats.folders import read_folders
from resight.records import DISTRACTOR, JUNK
from tests.support.writing import small_roster, write_layout


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_it_is_read_back_with_identities_and_cameras(tmp_path: Path, kind: str) -> None:
    entries = write_layout(tmp_path, "folders", kind, small_roster())
    dataset = read_folders(tmp_path)
    read = {record.path.removeprefix(f"{tmp_path}/"): (record.identity, record.camera) for record in dataset}
    identities = {"junk": JUNK, "distractor": DISTRACTOR}
    assert read == {
        entry.image: (identities.get(entry.sighting.role, entry.sighting.identity), entry.sighting.camera)
        for entry in entries
    }
    roles = {split: {Path(record.path).parts[-3] for record in found} for split, found in dataset.splits.items()}
    assert roles == {"train": {"train"}, "query": {"query"}, "gallery": {"gallery"}}


def test_names_are_enough(tmp_path: Path) -> None:
    entries = write_layout(tmp_path, "folders", "people", small_roster())
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(entries), "no other file"
