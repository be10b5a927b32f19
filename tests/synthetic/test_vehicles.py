"""Vehicles: VeRi-776's types and colours, and fittings only where they belong."""

from __future__ import annotations

from collections import Counter

import numpy as np

from resight.data.attributes import VERI_SCHEMA
from resight.synthetic.palette import PAINTS
from resight.synthetic.vehicles import VEHICLE_COLORS, VEHICLE_TYPES, sample_vehicle

TRAFFIC = [sample_vehicle(np.random.default_rng(seed)) for seed in range(800)]


def test_types_and_colours_are_those_of_the_annotations_in_their_order() -> None:
    assert VERI_SCHEMA.classes == {"color": VEHICLE_COLORS, "type": VEHICLE_TYPES}
    assert {vehicle.color for vehicle in TRAFFIC} == set(VEHICLE_COLORS)
    assert {vehicle.type for vehicle in TRAFFIC} == set(VEHICLE_TYPES)
    assert TRAFFIC[0].attributes() == {"color": TRAFFIC[0].color, "type": TRAFFIC[0].type}


def test_the_paint_is_a_shade_of_the_colour() -> None:
    for vehicle in TRAFFIC:
        ends = np.array(PAINTS[vehicle.color])
        assert (ends.min(0) <= vehicle.paint).all()
        assert (vehicle.paint <= ends.max(0)).all()


def test_common_types_and_colours_are_common() -> None:
    types, colours = (Counter(getattr(vehicle, name) for vehicle in TRAFFIC) for name in ("type", "color"))
    assert types.most_common(1)[0][0] == "sedan"
    assert abs(types["sedan"] / 800 - 0.24) < 0.06, "a deviation is 0.015"
    assert abs(colours["white"] / 800 - 0.21) < 0.06


def test_fittings_are_where_they_belong() -> None:
    for vehicle in TRAFFIC:
        tall = vehicle.type in ("van", "bus", "truck")
        assert not vehicle.blind or vehicle.type == "van"
        assert vehicle.spare is None or vehicle.type == "suv"
        assert not vehicle.ladder or vehicle.type in ("van", "truck")
        assert vehicle.windows in (range(4, 8) if vehicle.type == "bus" else range(1, 4))
        assert vehicle.roof in (
            ("none", "bars", "box", "vents") if tall else ("none", "sunroof", "bars", "box", "sign", "contrast")
        )
        assert (len(vehicle.cargo) == 1) if vehicle.type == "truck" else (len(vehicle.cargo) <= 3)
        assert len(vehicle.decals) >= (tall or vehicle.type == "pickup"), "firms' vehicles have signs"
        assert all(decal.place in ("side", "bonnet", "rear") for decal in vehicle.decals)


def test_signs_can_be_seen_on_the_paint() -> None:
    contrast = [
        sum(abs(a - b) for a, b in zip(decal.color, vehicle.paint, strict=True))
        for vehicle in TRAFFIC
        for decal in vehicle.decals
    ]
    assert np.mean([value > 180 for value in contrast]) > 0.99


def test_two_of_one_type_and_colour_differ() -> None:
    white_vans = [vehicle for vehicle in TRAFFIC if (vehicle.type, vehicle.color) == ("van", "white")]
    assert len(white_vans) > 5
    assert len({repr(vehicle) for vehicle in white_vans}) == len(white_vans)
    assert sample_vehicle(np.random.default_rng(7)) == TRAFFIC[7]
