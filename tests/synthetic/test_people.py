"""People: attributes in Market-1501's codes, traits that belong together, and what is worn is seen."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from resight.data.attributes import MARKET_COLUMNS, MULTI, targets_from_columns
from resight.synthetic.canvas import Canvas
from resight.synthetic.fabric import Fabric
from resight.synthetic.palette import PAINTS
from resight.synthetic.people import ATTRIBUTE_COLUMNS, Person, draw_person, sample_person
from resight.synthetic.shots import Shot
from tests.support.drawing import canvas, seen

PINK = (255, 0, 255)
PEOPLE = [sample_person(np.random.default_rng(seed)) for seed in range(600)]
STANDING = Shot(
    yaw=0.0, phase=0.0, stride=0.5, elbow=0.0, shift_x=0, shift_y=0, zoom=1, tilt=0, place=0, exposure=0,
    obstacle=None, grain=0,
)  # fmt: skip


def drawn(person: Person, yaw: float = 0.0, phase: float = 0.0) -> Canvas:
    """A person seen from ahead (0) or another side, 100 pixels tall, feet at 1 of 4 units from below."""
    found = canvas(0.5, 0.25)
    draw_person(found, person, replace(STANDING, yaw=yaw, phase=phase), pitch=0.1, light_side=1)
    return found


def plain(**changes: object) -> Person:
    """A grown man in grey trousers and a grey shirt who carries nothing."""
    grey = Fabric((120, 120, 120))
    changes = {
        "hat": None,
        "backpack": None,
        "bag": None,
        "handbag": None,
        "long_hair": False,
        "dress": False,
    } | changes
    adult = next(person for person in PEOPLE if person.age == "adult" and not person.female)
    return replace(adult, upper=grey, lower=grey, one_piece=False, **changes)


def test_attributes_are_the_27_columns_of_the_annotations() -> None:
    assert ATTRIBUTE_COLUMNS == MARKET_COLUMNS
    for person in PEOPLE[:100]:
        row = person.attributes()
        assert tuple(row) == MARKET_COLUMNS
        targets = targets_from_columns(row)
        assert targets["age"] == person.age
        assert targets["gender"] == ("female" if person.female else "male")
        assert targets["hair"] == ("long" if person.long_hair else "short")
        assert targets["up"] == ("long" if person.long_sleeves else "short")
        assert targets["down"] == ("long" if person.long_lower else "short")
        assert targets["clothes"] == ("dress" if person.dress else "pants")
        assert targets["hat"] == ("no" if person.hat is None else "yes")
        assert targets["upper_color"] == (person.upper_color or MULTI)
        assert targets["lower_color"] == (person.lower_color or MULTI)


def test_every_value_of_every_attribute_occurs() -> None:
    rows = [person.attributes() for person in PEOPLE]
    for name in rows[0]:
        assert len({row[name] for row in rows}) == (4 if name == "age" else 2), name


def test_a_named_colour_is_the_one_that_is_worn() -> None:
    for person in PEOPLE:
        for fabric, name in ((person.upper, person.upper_color), (person.lower, person.lower_color)):
            if fabric.pattern in ("checks", "halves", "block"):
                assert name is None, "no colour rules"
            elif name is not None:
                low, high = np.array(PAINTS[name]).min(0), np.array(PAINTS[name]).max(0)
                assert (low <= fabric.color).all()
                assert (fabric.color <= high).all()


def test_traits_belong_together() -> None:
    for person in PEOPLE:
        assert person.female or not person.dress
        assert person.dress or not person.one_piece
        assert not person.one_piece or person.upper == person.lower
        assert sum(thing is not None for thing in (person.backpack, person.bag, person.handbag)) <= 1
    heights = {
        age: np.mean([person.height for person in PEOPLE if person.age == age]) for age in ("young", "old", "adult")
    }
    assert heights["young"] < heights["old"] < heights["adult"]
    female_hair = np.mean([person.long_hair for person in PEOPLE if person.female])
    assert female_hair > 5 * np.mean([person.long_hair for person in PEOPLE if not person.female])


def test_the_same_stream_is_the_same_person() -> None:
    assert sample_person(np.random.default_rng(5)) == PEOPLE[5] != PEOPLE[6]


@pytest.mark.parametrize("seed", range(20))
def test_a_person_stands_on_the_ground_and_is_about_one_unit_tall(seed: int) -> None:
    for yaw in (0.0, 1.0, math.pi):
        rows, columns = np.nonzero(seen(drawn(PEOPLE[seed], yaw, phase=yaw)))
        assert 296 <= rows.max() <= 306, "soles at row 300, a toe a little below"
        assert 195 <= rows.min() <= 215, "the crown, a hat above it, or a bent head"
        assert 200 - 45 < columns.min() < 200 < columns.max() < 200 + 45


def pink(person: Person, yaw: float) -> int:
    """Pixels of pink under any light."""
    red, green, blue, drawn_on = np.moveaxis(np.asarray(drawn(person, yaw).image).astype(int), 2, 0)
    return int(((drawn_on > 0) & (green == 0) & (red == blue) & (red > 60)).sum())


@pytest.mark.parametrize("thing", ["hat", "bag", "handbag", "backpack"])
def test_what_is_worn_is_seen_from_ahead_and_behind(thing: str) -> None:
    person = plain(**{thing: Fabric(PINK) if thing == "backpack" else PINK})
    for yaw in (0.0, math.pi):
        assert pink(person, yaw) > 20
        assert pink(plain(), yaw) == 0


def test_a_backpack_is_on_the_back() -> None:
    person = plain(backpack=Fabric(PINK))
    assert pink(person, math.pi) > 2 * pink(person, 0.0), "only straps and edges from ahead"


def test_faces_are_on_the_front() -> None:
    person = plain(skin=PINK, long_sleeves=True, long_lower=True)
    assert pink(person, 0.0) > 3 * pink(person, math.pi), "hands and the neck from behind"


def test_a_dress_and_bare_legs_differ_from_trousers() -> None:
    trousers, dress = drawn(plain(skin=PINK)), drawn(plain(skin=PINK, dress=True, long_lower=False))
    legs = [(np.asarray(found.image)[260:290, :, :3] == PINK).all(2).sum() for found in (trousers, dress)]
    assert legs[1] > legs[0] + 50


def test_people_walk() -> None:
    assert drawn(plain(), phase=0.0).image.tobytes() != drawn(plain(), phase=1.5).image.tobytes()
