"""VeRi-776's layout: labels, name lists, and the lists of right answers and junk, as the real reader reads them."""

from __future__ import annotations

from pathlib import Path

from resight.data.formats.veri776 import read_veri776
from resight.records import DISTRACTOR, ReidDataset
from resight.synthetic.street import Street
from resight.synthetic.vehicles import VEHICLE_COLORS, VEHICLE_TYPES
from tests.support.writing import SEED, small_roster, write_layout


def written(root: Path) -> ReidDataset:
    write_layout(root, "veri776", "vehicles", small_roster(junk=0))
    return read_veri776(root)


def test_it_is_read_back_with_colours_and_types(tmp_path: Path) -> None:
    dataset, roster = written(tmp_path), small_roster(junk=0)
    assert len(dataset.train) == len(roster.of("train"))
    assert len(dataset.query) == len(roster.of("query"))
    street = Street("vehicles", SEED)
    for record in dataset:
        if record.identity > 0:
            assert dict(record.attributes) == street.vehicle(record.identity).attributes()
        else:
            assert record.identity == DISTRACTOR
            assert not record.attributes, "colour 0 and type 0: not annotated"
    assert sum(record.identity == DISTRACTOR for record in dataset.gallery) == 4


def test_queries_lie_in_the_gallery_too(tmp_path: Path) -> None:
    dataset = written(tmp_path)
    gallery = {Path(record.path).name for record in dataset.gallery}
    for record in dataset.query:
        assert Path(record.path).name in gallery
        assert Path(record.path).read_text() == f"image_test/{Path(record.path).name}", "a copy"


def test_right_answers_are_of_other_cameras_and_junk_of_the_own(tmp_path: Path) -> None:
    dataset = written(tmp_path)
    assert dataset.relevance is not None
    for number, query in enumerate(dataset.query):
        same = [place for place, record in enumerate(dataset.gallery) if record.identity == query.identity]
        own = [place for place in same if dataset.gallery[place].camera == query.camera]
        assert dataset.relevance.junk[number].tolist() == own
        assert dataset.relevance.good[number].tolist() == [place for place in same if place not in own]
        assert len(dataset.relevance.good[number])
        assert Path(query.path).name in {Path(dataset.gallery[place].path).name for place in own}


def test_colours_and_types_are_listed_by_their_numbers(tmp_path: Path) -> None:
    written(tmp_path)
    for name, values in (("color", VEHICLE_COLORS), ("type", VEHICLE_TYPES)):
        lines = (tmp_path / f"list_{name}.txt").read_text().splitlines()
        assert lines == [f"{number} {value}" for number, value in enumerate(values, 1)]


def test_label_files_are_declared_as_the_published_ones(tmp_path: Path) -> None:
    written(tmp_path)
    for half in ("train", "test"):
        data = (tmp_path / f"{half}_label.xml").read_bytes()
        assert data.startswith(b'<?xml version="1.0" encoding="gb2312" ?>')
        assert b"<TrainingImages" in data, "in the test file too"
        assert f'number="{data.count(b"<Item ")}"'.encode() in data
