"""Cameras: where they stand, how far they stray from a clean picture, and what they record of a scene."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resight.synthetic.cameras import Camera, backdrop, expose, sample_camera
from resight.synthetic.scenes import SCENES

CLEAN = replace(sample_camera(0, 1, difficulty=0.0), contrast=1.0)


def test_a_camera_is_a_function_of_seed_and_number() -> None:
    assert sample_camera(3, 2) == sample_camera(3, 2)
    assert len({sample_camera(seed, number) for seed in (3, 4) for number in (1, 2)}) == 4


def test_cameras_stand_in_all_the_places_of_their_kind_in_turn() -> None:
    places = {kind: [sample_camera(0, number, kind).place for number in range(1, 7)] for kind in ("people", "vehicles")}
    assert all(len(set(found)) == 6 for found in places.values())
    assert {*places["people"], *places["vehicles"]} == set(SCENES)


def test_cameras_over_roads_see_a_flank_and_look_down_within_limits() -> None:
    for number in range(1, 30):
        road, square = sample_camera(0, number, "vehicles"), sample_camera(0, number)
        assert abs(math.sin(road.heading)) > 0.6
        assert 0.1 <= road.pitch <= 0.5
        assert 0.04 <= square.pitch <= 0.4


def test_six_cameras_see_people_from_all_sides() -> None:
    sides = {round(sample_camera(0, number).heading / (math.pi / 2)) % 4 for number in range(1, 7)}
    assert sides == {0, 1, 2, 3}


def test_without_difficulty_a_camera_changes_no_colour() -> None:
    for number in range(1, 10):
        camera = sample_camera(0, number, difficulty=0.0)
        assert camera.gain == (1, 1, 1)
        assert camera.contrast == pytest.approx(0.97)
        assert (camera.gamma, camera.haze, camera.blur, camera.noise, camera.light, camera.detail) == (1, 0, 0, 0, 0, 1)


def recorded(camera: Camera, level: int, exposure: float = 0.0) -> np.ndarray:
    """What a camera records of one grey: [32, 16, 3]."""
    return expose(camera, Image.new("RGB", (32, 64), (level,) * 3), (32, 16), exposure, grain=0).astype(int)


def test_a_clean_camera_records_what_is_there_at_the_size_asked_for() -> None:
    drawn = np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8)
    reduced = drawn.reshape(32, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(expose(CLEAN, Image.fromarray(drawn), (32, 16), 0.0, 0) - reduced).max() <= 1.5, "means of 2 × 2"


@pytest.mark.parametrize(
    ("change", "exposure", "level", "expected"),
    [
        ({}, 0.1, 100, (110, 110, 110)),
        ({"gain": (1.2, 1.0, 0.5)}, 0.0, 100, (120, 100, 50)),
        ({"haze": 51.0}, 0.0, 0, (51, 51, 51)),
        ({"haze": 51.0}, 0.0, 255, (255, 255, 255)),
        ({"contrast": 0.5}, 0.0, 0, (64, 64, 64)),
        ({"gamma": 2.0}, 0.0, 128, (64, 64, 64)),
        ({}, 9.0, 200, (255, 255, 255)),
    ],
)
def test_tones_by_hand(change: dict, exposure: float, level: int, expected: tuple[int, int, int]) -> None:
    pixels = recorded(replace(CLEAN, **change), level, exposure)
    assert np.abs(pixels - expected).max() <= 1


def test_light_falls_from_one_side() -> None:
    pixels = recorded(replace(CLEAN, light=0.2, light_side=1), 100)
    assert np.abs(pixels[:, 0] - 80).max() <= 1
    assert np.abs(pixels[:, -1] - 120).max() <= 1
    other = recorded(replace(CLEAN, light=0.2, light_side=-1), 100)
    np.testing.assert_array_equal(other, pixels[:, ::-1])


def test_noise_is_the_grains_and_of_its_strength() -> None:
    noisy, scene = replace(CLEAN, noise=4.0), Image.new("RGB", (64, 128), (128, 128, 128))
    first, again, other = (expose(noisy, scene, (128, 64), 0.0, grain).astype(int) for grain in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[..., 0] - 128).std() == pytest.approx(4, rel=0.1)
    assert (first == first[..., :1]).all(), "of all channels alike"


def test_blur_and_low_resolution_smooth_edges() -> None:
    edge = Image.new("RGB", (64, 128))
    edge.paste((255, 255, 255), (32, 0, 64, 128))
    sharp, blurred, coarse = (
        np.abs(np.diff(expose(camera, edge, (64, 32), 0.0, 0)[32, :, 0].astype(int))).max()
        for camera in (CLEAN, replace(CLEAN, blur=30.0), replace(CLEAN, detail=0.6))
    )
    assert sharp == 255
    assert blurred < 150
    assert coarse < 255


def test_a_backdrop_is_the_cameras_own_and_large_enough_for_every_shot() -> None:
    camera = sample_camera(0, 3)
    scene = backdrop(camera, 64)
    assert scene.size == (256, 90)
    assert scene.tobytes() == backdrop(camera, 64).tobytes()
    assert scene.tobytes() != backdrop(sample_camera(1, 3), 64).tobytes()
    assert 100 < np.asarray(scene).mean() < 156, "exposed for the middle of the range"
