"""Shots: what a passage through a camera has in common, and how far each image strays at which difficulty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from resight.synthetic.cameras import sample_camera
from resight.synthetic.shots import Shot, sample_shot

CAMERA = sample_camera(0, 1)


def shots(number: int, difficulty: float = 1.0) -> list[Shot]:
    """The first shots of so many tracks."""
    return [
        sample_shot(CAMERA, np.random.default_rng((0, track)), np.random.default_rng((1, track)), difficulty)
        for track in range(number)
    ]


def test_the_same_streams_are_the_same_shot() -> None:
    assert shots(3) == shots(3)
    assert shots(2)[0] != shots(2)[1]


def test_shots_of_a_track_share_its_place_its_light_and_its_way() -> None:
    track = [sample_shot(CAMERA, np.random.default_rng(5), np.random.default_rng(number), 1.0) for number in range(40)]
    others = shots(100)
    for name, together, apart in (("place", 0.015, 0.25), ("exposure", 0.025, 0.05), ("yaw", 0.22, 1.0)):
        within = np.std([getattr(shot, name) for shot in track])
        between = np.std([getattr(shot, name) for shot in others])
        assert within == pytest.approx(together, rel=0.4), name
        assert between > 0.7 * apart, name
    assert len({shot.grain for shot in track}) == 40, "but for the noise"


def test_without_difficulty_a_subject_is_centred_whole_and_free() -> None:
    for shot in shots(60, difficulty=0.0):
        assert (shot.shift_x, shot.shift_y, shot.tilt) == (0, 0, 0)
        assert shot.zoom == 1
        assert shot.obstacle is None


def test_an_eighth_is_behind_something_and_crops_stray_within_limits() -> None:
    found = shots(600)
    share = np.mean([shot.obstacle is not None for shot in found])
    assert share == pytest.approx(0.13, abs=0.04), "a deviation is 0.014"
    assert {shot.obstacle.kind for shot in found if shot.obstacle} == {"pole", "board", "bush", "corner"}
    assert all(0.82 <= shot.zoom <= 1.22 for shot in found)
    assert np.std([shot.shift_x for shot in found]) == pytest.approx(0.018, rel=0.1)
    harder = shots(600, difficulty=2.0)
    assert np.std([shot.shift_x for shot in harder]) == pytest.approx(0.036, rel=0.1)
    assert np.mean([shot.obstacle is not None for shot in harder]) == pytest.approx(0.26, abs=0.05)


def test_obstacles_stand_where_a_part_of_the_subject_would_be() -> None:
    for obstacle in (shot.obstacle for shot in shots(300) if shot.obstacle):
        assert obstacle.left < obstacle.right
        assert obstacle.top < obstacle.bottom
        assert max(0, obstacle.left) < 1
        assert obstacle.bottom >= 1, "all stand on the ground"
        area = (min(1, obstacle.right) - max(0, obstacle.left)) * (1 - obstacle.top)
        assert 0.03 < area < 0.6


def test_most_walk_the_cameras_way_and_the_others_the_other() -> None:
    ahead = np.mean([math.cos(shot.yaw - CAMERA.heading) > 0 for shot in shots(500)])
    assert ahead == pytest.approx(0.72, abs=0.06), "a deviation is 0.02"
