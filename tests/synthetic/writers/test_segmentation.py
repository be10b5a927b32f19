"""Pictures with a mask each, as the reader of mask pairs reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats.masks import read_masks
from tests.support.writing import small_roster, write_layout


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_every_picture_is_read_back_with_its_mask(tmp_path: Path, kind: str) -> None:
    entries = write_layout(tmp_path, "segmentation", kind, small_roster())
    dataset = read_masks(tmp_path)
    pairs = {(record.path, record.mask) for record in dataset.train}
    assert pairs == {(str(tmp_path / entry.image), str(tmp_path / entry.mask)) for entry in entries}
    assert all(Path(image).stem == Path(mask).stem for image, mask in pairs)


def test_names_tell_identity_camera_and_part(tmp_path: Path) -> None:
    entries = write_layout(tmp_path, "segmentation", "people", small_roster())
    entry = next(entry for entry in entries if entry.sighting.role == "query")
    s = entry.sighting
    assert entry.image == f"images/{s.identity:04d}_c{s.camera}_query{s.shot:03d}.jpg"
    assert entry.mask == f"masks/{s.identity:04d}_c{s.camera}_query{s.shot:03d}.png"
