"""Coachwork: vehicles have their types' sizes, fill their box from any side, and show front and rear where they are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from resight.synthetic.canvas import Canvas
from resight.synthetic.coachwork import draw_vehicle, vehicle_extent
from resight.synthetic.shots import Shot
from resight.synthetic.vehicles import VEHICLE_TYPES, Vehicle, sample_vehicle
from tests.support.drawing import colours, seen, share

PARKED = Shot(
    yaw=0.0, phase=0.0, stride=0.5, elbow=0.0, shift_x=0, shift_y=0, zoom=1, tilt=0, place=0, exposure=0,
    obstacle=None, grain=0,
)  # fmt: skip
UNIT, SIDE = 20, 300
PINK = (255, 0, 255)


def plain(kind: str, **changes: object) -> Vehicle:
    """A vehicle of the type's own size with nothing on its roof or its sides."""
    some = next(v for v in (sample_vehicle(np.random.default_rng(seed)) for seed in range(99)) if v.cargo)
    bare = {"type": kind, "length": 1.0, "width": 1.0, "height": 1.0, "roof": "none", "decals": ()}
    return replace(some, **(bare | changes))


def drawn(vehicle: Vehicle, yaw: float, pitch: float = 0.2) -> Canvas:
    """20 pixels a metre, the vehicle's middle in the middle."""
    found = Canvas(SIDE, SIDE, lambda x, y: (SIDE / 2 + x * UNIT, SIDE / 2 - y * UNIT), UNIT)
    draw_vehicle(found, vehicle, replace(PARKED, yaw=yaw), pitch, light_side=1)
    return found


def is_pink(color: tuple[int, int, int]) -> bool:
    """Whether a colour is PINK under some light."""
    return color[1] == 0 and color[0] == color[2] > 90


@pytest.mark.parametrize(
    ("kind", "length", "width", "height"),
    [("sedan", 4.7, 1.8, 1.46), ("hatchback", 3.8, 1.72, 1.5), ("van", 5.1, 1.96, 2.2), ("bus", 8.6, 2.44, 2.95)],
)
def test_sizes_in_metres(kind: str, length: float, width: float, height: float) -> None:
    # From the side and from ahead, level with the vehicle and from far away.
    for yaw, across in ((math.pi / 2, length), (0.0, width)):
        left, right, low, high = vehicle_extent(plain(kind), replace(PARKED, yaw=yaw), pitch=0.0, perspective=0.0)
        assert right - left == pytest.approx(across, rel=0.02)
        assert high - low == pytest.approx(height, rel=0.02)
    longer = plain(kind, length=1.05)
    left, right, *_ = vehicle_extent(longer, replace(PARKED, yaw=math.pi / 2), 0.0, 0.0)
    assert right - left == pytest.approx(1.05 * length, rel=0.02)


def test_a_trucks_box_stands_above_its_cab() -> None:
    *_, low, high = vehicle_extent(plain("truck"), PARKED, 0.0, 0.0)
    assert high - low == pytest.approx(2.85, rel=0.02)


@pytest.mark.parametrize("kind", VEHICLE_TYPES)
def test_a_vehicle_fills_its_box_from_all_sides(kind: str) -> None:
    for seed in range(3):
        vehicle = replace(sample_vehicle(np.random.default_rng(seed)), type=kind, cargo=((90, 90, 90),))
        for turn in range(8):
            yaw = 2 * math.pi * turn / 8
            left, right, low, high = vehicle_extent(vehicle, replace(PARKED, yaw=yaw), 0.2)
            rows, columns = np.nonzero(seen(drawn(vehicle, yaw)))
            found = [
                (columns.min() - SIDE / 2),
                (columns.max() - SIDE / 2),
                SIDE / 2 - rows.max(),
                SIDE / 2 - rows.min(),
            ]
            # Mirrors, tyres and what a pickup carries stand out by some centimetres.
            np.testing.assert_allclose(np.array(found) / UNIT, [left, right, low, high], atol=0.4)


def test_paint_is_most_of_a_sedan_and_turns_with_the_light() -> None:
    sedan = plain("sedan", paint=PINK)
    pinks = {color for color in colours(drawn(sedan, math.pi / 2)) if is_pink(color)}
    assert len(pinks) > 2, "faces under different light"
    assert sum(share(drawn(sedan, math.pi / 2), pink) for pink in pinks) > 0.35


def test_lamps_are_ahead_tail_lamps_behind() -> None:
    lamp = (244, 240, 214)
    bare = plain("sedan", paint=(60, 60, 60), color="gray", plate=(60, 60, 60), stickers=(), visor=None)
    front, rear = drawn(bare, 0.0), drawn(bare, math.pi)
    assert share(front, lamp) > 0.01
    assert share(rear, lamp) == 0
    reddish = [{color for color in colours(view) if color[0] > color[1] + 90} for view in (front, rear)]
    assert not reddish[0]
    assert reddish[1]


SIDES = {"ahead": 0.0, "left": math.pi / 2, "behind": math.pi, "right": -math.pi / 2}


@pytest.mark.parametrize(
    ("place", "seen_from"),
    [("side", {"left", "right"}), ("bonnet", {"ahead", "left", "right"}), ("rear", {"behind"})],
)
def test_a_sign_is_seen_from_where_it_is_painted(place: str, seen_from: set[str]) -> None:
    signs = [decal for seed in range(99) for decal in sample_vehicle(np.random.default_rng(seed)).decals]
    letters = next(decal for decal in signs if (decal.place, decal.kind) == (place, "letters"))
    vehicle = plain("sedan", decals=(replace(letters, color=PINK),))
    found = {
        view: {color for color in colours(drawn(vehicle, yaw, pitch=0.4)) if is_pink(color)}
        for view, yaw in SIDES.items()
    }
    assert {view for view, pinks in found.items() if pinks} == seen_from


def test_the_same_vehicle_is_drawn_the_same() -> None:
    vehicle = sample_vehicle(np.random.default_rng(3))
    assert drawn(vehicle, 0.5).image.tobytes() == drawn(vehicle, 0.5).image.tobytes()
    assert drawn(vehicle, 0.5).image.tobytes() != drawn(vehicle, 0.6).image.tobytes()
