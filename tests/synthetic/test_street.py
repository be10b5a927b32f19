"""Pictures: functions of their numbers alone; the same individual looks the same, another does not."""

from __future__ import annotations

import numpy as np
import pytest

from resight.errors import DataError
from resight.synthetic import Street
from resight.synthetic.street import render_empty


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


def test_kinds_of_junk_say_what_the_mask_shows() -> None:
    street = Street("people", seed=0)
    shares: dict[str, list[float]] = {"close": [], "beside": []}
    for number in range(40):
        shares[street.junk_kind(number)].append((street.junk(number, 1 + number % 9, 1)[1] > 0).mean())
    assert min(map(len, shares.values())) > 8
    assert np.mean(shares["close"]) > 2 * np.mean(shares["beside"])
    for number in range(40):
        kind, mask = street.distractor_kind(number), street.distractor(number, 1)[1]
        if kind == "empty":
            assert not mask.any()
        elif kind is None:
            assert 0.1 < (mask > 0).mean() < 0.75


@pytest.mark.parametrize("kind", ["people", "vehicles"])
def test_a_clean_subject_lies_within_its_picture(kind) -> None:
    street = Street(kind, seed=0, difficulty=0.0)
    for identity in range(1, 30):
        mask = street.picture(identity, 1 + identity % 4, 0)[1] > 0
        assert not mask[-1].any()
        assert not mask[0].any() or kind == "vehicles", "heads are not cut off; a roof may be by a pixel"
        assert 0.2 < mask.mean() < 0.8


def test_an_empty_place_has_an_empty_mask() -> None:
    street = Street("people", seed=0)
    image, mask = render_empty(street.camera(1), street.shot(1, 1, 0))
    assert image.shape == (128, 64, 3)
    assert not mask.any()


def test_what_stands_before_the_subject_is_not_in_its_mask() -> None:
    street = Street("people", seed=0)
    shots = ((identity, street.shot(identity, 1, 0)) for identity in range(1, 200))
    identity, shot = next((i, s) for i, s in shots if s.obstacle and s.obstacle.kind == "board")
    mask = street.picture(identity, 1, 0)[1]
    top = round(shot.obstacle.top * 128)
    assert not mask[top + 1 :].any()
    assert mask[: top - 1].any()
