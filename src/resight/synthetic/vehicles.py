"""Vehicles: their type and colour, and the fittings by which two white vans are told apart.

Types and colours are the nine and ten of VeRi-776 (Liu et al. 2016, "Large-scale vehicle re-identification in urban
surveillance videos"). Traffic has few colours, so an identity is recognised by its fittings: roof, decals, windows,
lamps, rims, trims and cargo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resight.synthetic.palette import Color, choose, pick, shade

__all__ = ["VEHICLE_COLORS", "VEHICLE_TYPES", "Decal", "Vehicle", "sample_vehicle"]

VEHICLE_COLORS = ("yellow", "orange", "green", "gray", "red", "blue", "white", "golden", "brown", "black")
"""Colour number i + 1 of VeRi-776's label files."""
VEHICLE_TYPES = ("sedan", "suv", "van", "hatchback", "mpv", "pickup", "bus", "truck", "estate")
"""Type number i + 1 of VeRi-776's label files."""

_COLOR_SHARES = {
    **{"white": 0.21, "black": 0.16, "gray": 0.15, "red": 0.13, "blue": 0.11},
    **{"yellow": 0.06, "golden": 0.05, "brown": 0.05, "green": 0.05, "orange": 0.03},
}
_TYPE_SHARES = {
    **{"sedan": 0.24, "suv": 0.16, "van": 0.12, "hatchback": 0.13, "mpv": 0.09},
    **{"pickup": 0.07, "bus": 0.05, "truck": 0.08, "estate": 0.06},
}
_WORKING = ("van", "pickup", "bus", "truck")
"""Types that carry a firm's signs."""
_DECAL_COLORS = ("red", "blue", "yellow", "green", "orange", "white", "black", "pink", "purple")
_ROOFS = {
    "car": {"none": 0.2, "sunroof": 0.14, "bars": 0.16, "box": 0.18, "sign": 0.14, "contrast": 0.18},
    "tall": {"none": 0.26, "bars": 0.24, "box": 0.26, "vents": 0.24},
}
_PLACES = {
    "car": {"side": 0.5, "bonnet": 0.28, "rear": 0.22},
    "tall": {"side": 0.62, "bonnet": 0.14, "rear": 0.24},
}
_SIDE_DECALS = {"stripe": 0.26, "logo": 0.18, "letters": 0.26, "lower": 0.12, "checks": 0.08, "slash": 0.10}
_END_DECALS = {"stripe": 0.36, "logo": 0.34, "letters": 0.30}


@dataclass(frozen=True, slots=True)
class Decal:
    """Something painted or stuck on a vehicle."""

    place: str
    """side, bonnet or rear."""
    kind: str
    color: Color
    at: float
    """Where along its surface, 0-1."""
    size: float
    code: int
    """Which letters, or how many lines."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Everything that stays the same about one vehicle."""

    type: str
    """One of VEHICLE_TYPES."""
    color: str
    """One of VEHICLE_COLORS: the name of `paint`."""
    paint: Color
    length: float
    """Length, width and height as factors of the type's own."""
    width: float
    height: float
    glass: Color
    windows: int
    """Side windows behind the front doors'."""
    pillar: float
    """Breadth of the posts between them, a share of a window."""
    blind: bool
    """Sheet metal instead of the rear side windows."""
    rim: Color
    spokes: int
    """Spokes of a wheel; 0 is a closed disc."""
    trim: Color
    """Bumpers and sills."""
    grille: str
    """slot, twin, tall or none."""
    grille_color: Color
    lamps: str
    """wide, round or slim."""
    tail: str
    """upright, wide or bar."""
    plate: Color
    roof: str
    """none, sunroof, bars, box, sign, contrast or vents."""
    roof_color: Color
    visor: Color | None
    """Strip of colour along the windscreen's upper edge."""
    stickers: tuple[tuple[float, Color], ...]
    """On the windscreen: where across it (0-1), and the colour."""
    spare: Color | None
    """Cover of a spare wheel on the rear."""
    ladder: bool
    cargo: tuple[Color, ...]
    """What lies on a pickup's bed; of a truck, the colour of the box."""
    decals: tuple[Decal, ...]

    def attributes(self) -> dict[str, str]:
        """Colour and type, as VeRi-776 annotates them."""
        return {"color": self.color, "type": self.type}


def sample_vehicle(rng: np.random.Generator) -> Vehicle:
    """A random vehicle; vans, pickups, buses and trucks always have decals, buses many windows."""
    kind, color = choose(rng, _TYPE_SHARES), choose(rng, _COLOR_SHARES)
    build = "tall" if kind in ("van", "bus", "truck") else "car"
    paint, working = shade(rng, color), kind in _WORKING
    trim = paint if rng.random() < 0.4 else pick(rng, "black", "black", "gray", "white")
    count = int(rng.integers(1, 4)) if working else int(rng.choice((0, 1, 2, 2, 3)))
    load = int(rng.integers(0, 4))
    return Vehicle(
        type=kind,
        color=color,
        paint=paint,
        length=float(rng.uniform(0.94, 1.06)),
        width=float(rng.uniform(0.96, 1.04)),
        height=float(rng.uniform(0.95, 1.06)),
        glass=_glass(rng),
        windows=int(rng.integers(4, 8)) if kind == "bus" else int(rng.integers(1, 4)),
        pillar=float(rng.uniform(0.08, 0.3)),
        blind=bool(kind == "van" and rng.random() < 0.6),
        rim=pick(rng, "gray", "gray", "white", "black", "golden"),
        spokes=int(rng.choice((0, 4, 5, 6, 8))),
        trim=trim,
        grille=choose(rng, {"slot": 0.3, "twin": 0.25, "tall": 0.25, "none": 0.2}),
        grille_color=pick(rng, "black", "black", "gray", "white"),
        lamps=choose(rng, {"wide": 0.4, "round": 0.3, "slim": 0.3}),
        tail=choose(rng, {"upright": 0.35, "wide": 0.4, "bar": 0.25}),
        plate=pick(rng, "blue", "yellow", "white", "green"),
        roof=choose(rng, _ROOFS[build]),
        roof_color=pick(rng, "black", "white", "gray", "red", "yellow", "blue", "orange"),
        visor=pick(rng, *_DECAL_COLORS) if rng.random() < 0.2 else None,
        stickers=tuple(_sticker(rng) for _ in range(int(rng.integers(0, 4)))),
        spare=pick(rng, "black", "gray", "white", "red", "yellow") if kind == "suv" and rng.random() < 0.45 else None,
        ladder=bool(kind in ("van", "truck") and rng.random() < 0.4),
        cargo=(
            (paint if rng.random() < 0.5 else pick(rng, "white", "gray", "blue", "brown"),)
            if kind == "truck"
            else tuple(pick(rng, "brown", "gray", "blue", "red", "white", "orange") for _ in range(load))
        ),
        decals=tuple(_decal(rng, paint, build) for _ in range(count)),
    )


def _glass(rng: np.random.Generator) -> Color:
    level = rng.uniform(0.0, 1.0)
    cold = rng.uniform(-8, 14)
    grey = 34 + 74 * level
    return (round(grey - cold), round(grey + 4), round(grey + 6 + cold))


def _sticker(rng: np.random.Generator) -> tuple[float, Color]:
    return float(rng.uniform(0.06, 0.9)), pick(rng, "red", "yellow", "green", "white", "orange")


def _decal(rng: np.random.Generator, paint: Color, build: str) -> Decal:
    place = choose(rng, _PLACES[build])
    color = pick(rng, *_DECAL_COLORS)
    for _ in range(8):  # Draw again while the decal's colour is too near the paint's to be seen.
        if sum(abs(a - b) for a, b in zip(color, paint, strict=True)) > 180:
            break
        color = pick(rng, *_DECAL_COLORS)
    return Decal(
        place=place,
        kind=choose(rng, _SIDE_DECALS if place == "side" else _END_DECALS),
        color=color,
        at=float(rng.uniform(0.0, 1.0)),
        size=float(rng.uniform(0.0, 1.0)),
        code=int(rng.integers(1 << 12)),
    )
