"""The images of a table are the dataset's own splits where it has them, else a part of its people that stays the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resight.data.formats.manifest import write_manifest
from resight.errors import RunError
from resight.records import ReidDataset
from resight.reproduce.images import Images, images_of


def images(spec: str, folder: Path, identities: int | None = None) -> Images:
    """As a table asks for them, which then notes what it asked for."""
    folder.mkdir(exist_ok=True)
    found = images_of([spec], folder, identities, "first", "test")
    (folder / "settings.json").write_text(json.dumps(found.asked), encoding="utf-8")
    return found


def test_a_dataset_with_query_and_gallery_is_taken_as_it_is(crowd: ReidDataset, tmp_path: Path) -> None:
    write_manifest(tmp_path / "whole.csv", crowd)
    spec = f"manifest:{tmp_path / 'whole.csv'}"
    found = images(spec, tmp_path / "table")
    assert found.data == [spec]
    assert len(found.dataset.train) == len(crowd.train)
    assert not (tmp_path / "table" / "data.csv").exists()


def test_without_them_people_are_held_out_and_stay_the_same(crowd: ReidDataset, tmp_path: Path) -> None:
    write_manifest(tmp_path / "train.csv", replace(crowd, query=[], gallery=[]))
    spec = f"manifest:{tmp_path / 'train.csv'}"
    found = images(spec, tmp_path / "table")
    trained, judged = ({record.identity for record in side} for side in (found.dataset.train, found.dataset.query))
    assert trained
    assert judged
    assert not trained & judged
    assert found.data == [f"manifest:{tmp_path / 'table' / 'data.csv'}"]
    assert "held out for the figures" in found.told
    assert ", which has no labelled query and gallery: a fifth" in found.told  # it follows "Ours on"
    assert images(spec, tmp_path / "table").dataset == found.dataset
    with pytest.raises(RunError, match="other --data or --identities"):
        images(spec, tmp_path / "table", identities=2)
