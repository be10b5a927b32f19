"""Pictures: functions of their numbers alone; the same individual looks the same, another does not."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.synthetic import VEHICLE_COLORS, VEHICLE_TYPES, Street, sample_person, sample_vehicle


@pytest.mark.parametrize(("kind", "shape"), [("people", (128, 64, 3)), ("vehicles", (96, 128, 3))])
def test_a_picture_depends_on_its_numbers_and_not_on_what_was_drawn_before(kind, shape) -> None:
    street = Street(kind, seed=5)
    for identity in (9, 2, 7):
        street.picture(identity, 1, 0)
    image, mask = street.picture(3, camera=2, shot=1)
    again, mask_again = Street(kind, seed=5).picture(3, camera=2, shot=1)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, mask_again)
    assert image.shape == shape
    assert image.dtype == np.uint8
    assert mask.shape == shape[:2]
    for other in (street.picture(3, 2, 0), street.picture(3, 1, 1), street.picture(4, 2, 1)):
        assert (other[0] != image).mean() > 0.3


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_any_size_is_drawn(kind) -> None:
    for size in ((64, 32), (256, 128), (40, 90)):
        image, mask = Street(kind, seed=0, size=size).picture(1, 1, 0)
        assert image.shape == (*size, 3)
        assert (mask > 0).mean() > 0.1


def test_paint_shows_in_the_picture() -> None:
    """A red vehicle is redder than a blue one, in the middle of what its mask covers."""
    street = Street("vehicles", seed=0, difficulty=0.0)
    hues = {"red": [], "blue": []}
    for identity in range(1, 200):
        colour = street.vehicle(identity).color
        if colour in hues and len(hues[colour]) < 8:
            image, mask = street.picture(identity, 1, 0)
            pixels = image[mask > 0].astype(int)
            hues[colour].append(float((pixels[:, 0] - pixels[:, 2]).mean()))
    assert min(hues["red"]) > max(hues["blue"])


def test_all_colours_and_types_are_on_the_road_and_people_have_all_attributes() -> None:
    vehicles = [sample_vehicle(np.random.default_rng(seed)) for seed in range(600)]
    assert {vehicle.color for vehicle in vehicles} == set(VEHICLE_COLORS)
    assert {vehicle.type for vehicle in vehicles} == set(VEHICLE_TYPES)
    rows = [sample_person(np.random.default_rng(seed)).attributes() for seed in range(600)]
    for name in rows[0]:
        assert len({row[name] for row in rows}) == (4 if name == "age" else 2), name


def test_a_street_knows_its_kind() -> None:
    with pytest.raises(DataError, match="identity 1 is no vehicle: this street holds people"):
        Street("people").vehicle(1)
    with pytest.raises(DataError, match="unknown kind 'boats'"):
        Street("boats")


def test_junk_shows_less_of_the_subject_than_a_picture_and_some_distractors_show_none() -> None:
    street = Street("people", seed=0)
    good = np.mean([(street.picture(i, 1, 0)[1] > 0)[:, 12:52].mean() for i in range(1, 20)])
    assert 0.3 < good < 0.9
    empty = [not street.distractor(number, 1)[1].any() for number in range(60)]
    assert 0.1 < np.mean(empty) < 0.5
