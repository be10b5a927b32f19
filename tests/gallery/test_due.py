"""What a gallery has to embed: images that it lacks or whose files have changed, each once, in both engines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resight.gallery.gallery as module
from resight.gallery import Gallery
from resight.gallery.due import due_of, states_of
from resight.gallery.rows import STATE, file_state
from resight.gallery.transfer import export_features, gallery_for, import_into, source_of
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run


@pytest.fixture(scope="module")
def model(trained: Run) -> Recognizer:
    return load(trained.folder)


@pytest.fixture(params=["folder", "server"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a gallery, of either engine."""
    if request.param == "folder":
        return str(tmp_path / "gallery")
    return request.getfixturevalue("server").address(f"due {tmp_path.name}"[-40:].replace(" ", "_"))


@pytest.fixture
def files(crowd: ReidDataset, tmp_path: Path) -> list[Path]:
    """Copies of some of the crowd's images."""
    (tmp_path / "crops").mkdir()
    return [Path(shutil.copy(record.path, tmp_path / "crops")) for record in crowd.train[:6]]


def overwrite(file: Path, record: Record) -> None:
    """Put another image's pixels into a file; at another time, whatever the clock's steps are."""
    before = os.stat(file).st_mtime_ns
    shutil.copyfile(record.path, file)
    os.utime(file, ns=(before, before + 10**9))


def pixels(record: Record) -> np.ndarray:
    return np.asarray(Image.open(record.path).convert("RGB"))


def test_a_changed_file_is_embedded_again_and_keeps_what_was_given_to_it(
    model: Recognizer, crowd: ReidDataset, files: list[Path], where: str
) -> None:
    gallery = Gallery.create(where, model=model)
    records = [Record(str(file), camera=1, attributes={"coat": "red"}) for file in files]
    assert gallery.add(records) == (6, [], 0, 0)
    ids = gallery.ids()
    gallery.update(ids, {"name": "Ann", "identity": 7})
    vectors = dict(zip(ids.tolist(), gallery.features(ids), strict=True))
    overwrite(files[2], crowd.query[0])
    again = Gallery.open(where, model=model)
    assert again.add(records) == (0, [], 5, 1)
    assert again.add(files) == (0, [], 6, 0), "nothing has changed since"
    assert again.ids().tolist() == ids.tolist()
    by_path = {record.path: record for record in again.records}
    for number, record in zip(ids.tolist(), again.fetch(ids), strict=True):
        same = np.allclose(again.features([number])[0], vectors[number], atol=1e-6)
        assert same == (record.path != str(files[2])), record.path
    renewed = by_path[str(files[2])]
    assert (renewed.identity, renewed.camera, dict(renewed.attributes)) == (7, 1, {"coat": "red", "name": "Ann"})
    assert again.search(pixels(crowd.query[0]), k=1)[0].record.path == str(files[2])
    assert STATE not in again.columns
    assert STATE not in renewed.attributes


def test_a_change_is_noticed_by_whatever_path(
    model: Recognizer, crowd: ReidDataset, files: list[Path], where: str, tmp_path: Path
) -> None:
    gallery = Gallery.create(where, model=model)
    gallery.add([Record(str(files[0]), frame=3, camera=2), *map(str, files[1:])])
    (tmp_path / "linked").symlink_to(tmp_path / "crops")
    linked = [tmp_path / "linked" / file.name for file in files]
    overwrite(files[0], crowd.query[0])
    assert gallery.add([*linked, linked[0]]) == (0, [], 6, 1)
    assert len(gallery) == 6
    [found] = gallery.search(pixels(crowd.query[0]), k=1)
    assert (found.record.path, found.record.frame, found.record.camera) == (str(files[0]), 3, 2)
    shutil.copyfile(files[1], tmp_path / "other")
    os.replace(tmp_path / "other", files[2])  # a new file of the same name
    assert gallery.add([files[2], files[2]]).renewed == 1
    assert gallery.add(linked) == (0, [], 6, 0)


def test_links_dates_of_reading_and_permissions_are_no_change(files: list[Path], tmp_path: Path) -> None:
    before = file_state(files[0])
    os.link(files[0], tmp_path / "link")
    files[0].chmod(0o600)
    os.utime(files[0], ns=(0, os.stat(files[0]).st_mtime_ns))
    assert file_state(files[0]) == before
    with open(files[0], "ab") as file:
        file.write(b" ")
    assert file_state(files[0]) != before
    assert file_state(tmp_path / "nothing") is None


def test_an_older_gallery_notices_changes_from_its_next_addition_on(
    model: Recognizer, crowd: ReidDataset, files: list[Path], where: str
) -> None:
    gallery = Gallery.create(where, model=model)
    records = [Record(str(file)) for file in files]
    gallery.add_embeddings(Embeddings(model.embed([str(file) for file in files]), records))
    assert STATE not in gallery.schema.kinds, "as it was written before there was that column"
    assert gallery.add(records) == (0, [], 6, 0)
    overwrite(files[4], crowd.query[0])
    assert gallery.add(records) == (0, [], 5, 1)


def test_an_entry_of_a_tracklet_is_no_changed_image(
    model: Recognizer, crowd: ReidDataset, files: list[Path], tmp_path: Path
) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add([Record(str(files[0]), attributes={"tracklet_images": "4"})])
    overwrite(files[0], crowd.query[0])
    assert gallery.add([files[0]]) == (0, [], 1, 0)


def test_what_a_file_was_is_noted_before_it_is_read(
    model: Recognizer, crowd: ReidDataset, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.pieces

    def overtaken(*given, **named):
        for piece in whole(*given, **named):
            overwrite(files[0], crowd.query[0])  # read already, not yet written
            yield piece

    gallery = Gallery.create(tmp_path / "gallery", model=model)
    monkeypatch.setattr(module, "pieces", overtaken)
    assert gallery.add(files).count == 6
    monkeypatch.undo()
    assert gallery.add(files) == (0, [], 5, 1)


def test_states_travel_with_a_gallery(model: Recognizer, crowd: ReidDataset, files: list[Path], tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(files)
    overwrite(files[0], crowd.query[0])
    export_features(gallery, tmp_path / "all.parquet")
    for source in ("gallery", "all.parquet"):
        made = gallery_for(found := source_of(str(tmp_path / source)), str(tmp_path / f"from-{source}"))
        import_into(made, found)
        assert Gallery.open(made.where, model=model).add(files) == (0, [], 5, 1)


def test_nothing_is_there_before_the_first_image() -> None:
    records = [Record("a"), Record("a"), Record("b")]
    due = due_of(None, records, states_of(records))
    assert due.places.tolist() == [0, 2]
    assert not due.changed.any()
    assert len(due.elsewhere) == len(due.unmarked) == 0


def test_a_name_that_is_not_utf8_is_asked_for_as_any_other(model: Recognizer, files: list[Path], where: str) -> None:
    gallery = Gallery.create(where, model=model)
    gallery.add(files[:1])
    odd = Record(os.fsdecode(os.fsencode(files[0].parent) + b"/od\xffd.png"), camera=1, tracklet=3)
    assert gallery.unknown([odd, Record(str(files[0]))]) == [odd]
    assert [one.images for one in gallery.due_tracklets([[odd]])] == [[odd]]
    assert "is not UTF-8; rename it" in gallery.add([odd.path, files[0]]).failed[0]


def test_a_file_in_another_s_place_is_still_no_hit_of_its_own(
    model: Recognizer, files: list[Path], where: str, tmp_path: Path
) -> None:
    gallery = Gallery.create(where, model=model)
    gallery.add(files)
    other = Gallery.open(where, model=model)
    for handle in (gallery, other):
        assert str(files[0]) not in [hit.record.path for hit in handle.search(files[0])]
    shutil.copyfile(files[1], tmp_path / "new")
    os.replace(tmp_path / "new", files[0])
    assert gallery.add(files).renewed == 1
    other.refresh()
    for handle in (gallery, other):
        assert str(files[0]) not in [hit.record.path for hit in handle.search(files[0])]
