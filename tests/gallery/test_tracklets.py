"""An entry is one per tracklet for good, whatever image is its best, in both engines."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.gallery import Gallery
from resight.gallery.rows import ids_of
from resight.recognizer import Recognizer, load
from resight.records import TRACKLET_IMAGES, Embeddings, Record, ReidDataset
from resight.run import Run


@pytest.fixture(scope="module")
def model(trained: Run) -> Recognizer:
    return load(trained.folder)


@pytest.fixture(params=["folder", "server"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path, model: Recognizer) -> Gallery:
    where = tmp_path / "gallery"
    if request.param == "server":
        where = request.getfixturevalue("server").address(f"tracklets{tmp_path.parent.name}{tmp_path.name}"[-40:])
    return Gallery.create(where, model=model)


@pytest.fixture
def images(crowd: ReidDataset, tmp_path: Path) -> list[Record]:
    """Images of a tracklet of camera 3, and at the end one of no tracklet."""
    (tmp_path / "crops").mkdir()
    copies = [shutil.copy(record.path, tmp_path / "crops") for record in crowd.train[:5]]
    tracked = [Record(path, camera=3, frame=number, tracklet=8) for number, path in enumerate(copies[:4])]
    return [*tracked, Record(copies[4])]


def entry(model: Recognizer, images: list[Record], best: int, value: float) -> Embeddings:
    features = np.zeros((1, model.width), np.float32)
    features[0, :2] = value, 1
    return Embeddings(features, [replace(images[best], attributes={TRACKLET_IMAGES: str(len(images))})])


def test_an_entry_is_replaced_when_its_tracklet_has_grown(
    gallery: Gallery, model: Recognizer, images: list[Record]
) -> None:
    short, whole = images[:2], images[:4]
    [due] = gallery.due_tracklets([short])
    assert due.former == []
    assert gallery.add_tracklets(entry(model, short, 0, 0), [due]) == (1, [], 0, 0)
    assert gallery.due_tracklets([short]) == []
    gallery.update(gallery.ids(), {"name": "Ann", "identity": 4})
    [due] = gallery.due_tracklets([whole])
    assert due.former == gallery.ids().tolist()
    assert gallery.add_tracklets(entry(model, whole, 3, 1), [due]) == (0, [], 0, 1)
    [found] = Gallery.open(gallery._address).records
    assert (found.path, found.frame, found.identity) == (images[3].path, 3, 4)
    assert found.attributes == {"name": "Ann", TRACKLET_IMAGES: "4"}
    [feature] = gallery.features(gallery.ids())
    assert feature[:2] == pytest.approx([2**-0.5, 2**-0.5])
    assert gallery.due_tracklets([whole]) == []
    assert len(gallery.due_tracklets([whole], "without junk")) == 1


def test_a_changed_file_makes_its_tracklet_due(gallery: Gallery, model: Recognizer, images: list[Record]) -> None:
    tracklets = [images[:4], images[4:]]
    both = gallery.due_tracklets(tracklets)
    gallery.add_tracklets(entry(model, images[:4], 2, 0), both)
    alone = Embeddings(np.eye(1, model.width, dtype=np.float32), images[4:])
    assert gallery.add_tracklets(alone, both) == (1, [], 0, 0)
    assert gallery.due_tracklets(tracklets) == []
    for number in (1, 4):
        os.utime(images[number].path, ns=(0, os.stat(images[number].path).st_mtime_ns + 10**9))
        [due] = gallery.due_tracklets(tracklets)
        assert due.images == tracklets[number == 4]
        gallery.add_tracklets(alone if number == 4 else entry(model, images[:4], 2, 0), [due])
    assert gallery.due_tracklets(tracklets) == []
    assert len(gallery) == 2


def test_entries_of_before_become_one(gallery: Gallery, model: Recognizer, images: list[Record]) -> None:
    """Older versions added a second entry where the best image had become another; single images are none."""
    for best in (0, 1):
        gallery.add_embeddings(entry(model, images[:4], best, 0))
    gallery.add_embeddings(Embeddings(np.eye(1, model.width, dtype=np.float32), [images[2]]))
    other = [replace(image, path=image.path + "x") for image in images[:2]]  # another recording's, of the same numbers
    gallery.add_embeddings(entry(model, other, 0, 0))
    [due] = gallery.due_tracklets([images[:4]])
    assert len(due.former) == 2
    gallery.add_tracklets(entry(model, images[:4], 1, 0), [due])
    left = sorted(Path(record.path).name for record in gallery.records)
    assert left == sorted(Path(one.path).name for one in (images[1], images[2], other[0]))
    assert gallery.due_tracklets([images[:4]]) == []


def test_what_was_given_to_any_entry_or_to_an_image_alone_stays(
    gallery: Gallery, model: Recognizer, images: list[Record]
) -> None:
    for best in (0, 1):
        gallery.add_embeddings(entry(model, images[:4], best, 0))
    gallery.add_embeddings(Embeddings(np.eye(1, model.width, dtype=np.float32), [images[2]]))
    of = {record.path: int(one) for one, record in zip(gallery.ids(), gallery.fetch(gallery.ids()), strict=True)}
    for image, values in zip(images, ({"name": "Ann"}, {"name": "Bob", "identity": 4}, {"note": "late"}), strict=False):
        gallery.update([of[image.path]], values)
    due = gallery.due_tracklets([images[:4]])
    gallery.add_tracklets(entry(model, images[:4], 2, 0), due)
    [found] = gallery.records
    assert (found.path, found.identity) == (images[2].path, 4)
    assert found.attributes["name"] in ("Ann", "Bob")
    assert (found.attributes["note"], found.attributes[TRACKLET_IMAGES]) == ("late", "4")


def test_an_entry_made_elsewhere_takes_the_place_of_its_tracklet_s(
    gallery: Gallery, model: Recognizer, images: list[Record]
) -> None:
    members = [ids_of(images[:4]).tolist()]
    gallery.add_embeddings(entry(model, images[:2], 0, 0), members=[members[0][:2]])
    gallery.add_embeddings(Embeddings(np.eye(1, model.width, dtype=np.float32), [images[1]]))
    gallery.update(ids_of(images[:1]), {"name": "Ann"})
    for _ in range(2):
        gallery.add_embeddings(entry(model, images[:4], 3, 1), members=members)
        found = {record.path: dict(record.attributes) for record in gallery.records}
        assert found == {images[1].path: {}, images[3].path: {"name": "Ann", TRACKLET_IMAGES: "4"}}
