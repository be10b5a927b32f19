"""Market-1501's layout: names and `market_attribute.mat` as the real reader and the published file have them."""

from __future__ import annotations

from pathlib import Path

from scipy.io import loadmat

from resight.data.formats.market1501 import read_market1501
from resight.records import DISTRACTOR, JUNK
from resight.synthetic.street import Street
from resight.synthetic.writers.market1501 import TEST_FIELDS, TRAIN_FIELDS, attribute_struct
from tests.support.writing import SEED, small_roster, write_layout


def test_it_is_read_back_with_identities_cameras_and_frames(tmp_path: Path) -> None:
    roster = small_roster()
    entries = write_layout(tmp_path, "market1501", "people", roster)
    dataset = read_market1501(tmp_path)
    read = {
        record.path.removeprefix(f"{tmp_path}/"): (record.identity, record.camera, record.sequence, record.frame)
        for record in dataset
    }
    identities = {"junk": JUNK, "distractor": DISTRACTOR}
    assert read == {
        entry.image: (identities.get(s.role, s.identity), s.camera, s.sequence, s.frame)
        for entry in entries
        for s in [entry.sighting]
    }
    assert [len(records) for records in dataset.splits.values()] == [
        len(roster.of("train")),
        len(roster.of("query")),
        len(roster.of("gallery", "junk", "distractor")),
    ]


def test_attributes_are_the_persons_own(tmp_path: Path) -> None:
    write_layout(tmp_path, "market1501", "people", small_roster())
    dataset, street = read_market1501(tmp_path), Street("people", SEED)
    for record in dataset:
        if record.identity > 0:
            drawn = street.person(record.identity)
            assert record.attributes["gender"] == ("female" if drawn.female else "male")
            assert record.attributes["age"] == drawn.age
            assert record.attributes["upper_color"] == (drawn.upper_color or "multi")
        else:
            assert not record.attributes


def test_the_two_halves_order_their_fields_as_published() -> None:
    street = Street("people", SEED)
    assert set(TRAIN_FIELDS) == set(TEST_FIELDS)
    assert TRAIN_FIELDS != TEST_FIELDS
    assert len(TRAIN_FIELDS) == 28
    for fields in (TRAIN_FIELDS, TEST_FIELDS):
        half = attribute_struct([5, 2], street, fields)
        assert tuple(half) == fields
        assert half["age"].shape == (1, 2)
        assert half["image_index"].tolist() == [["0005", "0002"]]
        assert half["age"][0].tolist() == [street.person(who).attributes()["age"] for who in (5, 2)]


def test_the_file_is_the_same_bytes_at_any_time_of_day(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_layout(tmp_path / name, "market1501", "people", small_roster())
    first, second = (tmp_path / name / "market_attribute.mat" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"MATLAB 5.0 MAT-file, written by resight data synthesize ")
    assert "market_attribute" in loadmat(first)
