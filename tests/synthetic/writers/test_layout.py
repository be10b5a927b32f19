"""What every layout owes: a place of its own for each picture, the same for a seed, and a word on masks."""

from __future__ import annotations

import pytest

from resight.synthetic.writers import WRITERS
from tests.support.writing import SEED, small_roster


@pytest.mark.parametrize("name", WRITERS)
def test_every_picture_has_a_place_of_its_own_within_the_folder(name: str) -> None:
    roster = small_roster()
    entries = WRITERS[name].place(roster, SEED)
    assert sorted(map(repr, (entry.sighting for entry in entries))) == sorted(map(repr, roster.sightings))
    paths = [path for entry in entries for path in (entry.image, entry.mask) if path]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert not path.startswith("/")
        assert "\\" not in path
        assert ".." not in path


@pytest.mark.parametrize("name", WRITERS)
def test_places_are_the_same_for_a_seed(name: str) -> None:
    assert WRITERS[name].place(small_roster(), SEED) == WRITERS[name].place(small_roster(), SEED)


def test_layouts_say_what_they_can_hold() -> None:
    assert {name: layout.kinds for name, layout in WRITERS.items()} == {
        "market1501": ("people",),
        "course": ("people",),
        "veri776": ("vehicles",),
        "folders": ("people", "vehicles"),
        "segmentation": ("people", "vehicles"),
    }


@pytest.mark.parametrize("name", WRITERS)
def test_masks_are_placed_where_they_belong_to_the_layout(name: str) -> None:
    placed = [entry.mask is not None for entry in WRITERS[name].place(small_roster(), SEED)]
    assert all(placed) if WRITERS[name].masked else not any(placed)
