"""People: who they are (body, clothes, what they carry) and how they are drawn.

The attributes follow the 27 columns of Market-1501's annotations (Lin et al. 2019, "Improving person
re-identification by attribute and identity learning"): no 1 / yes 2, male 1 / female 2, short 1 / long 2 hair,
long 1 / short 2 sleeves and lower clothing, dress 1 / pants 2, young 1, teenager 2, adult 3, old 4. Rare classes have
larger shares than on a real street, so that small datasets have all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from resight.synthetic.canvas import Canvas, Panel, Point, limb
from resight.synthetic.fabric import Fabric, cover
from resight.synthetic.palette import Color, blend, choose, pick, shade, tint
from resight.synthetic.shots import Shot

__all__ = [
    "ATTRIBUTE_COLUMNS",
    "LOWER_COLORS",
    "Person",
    "draw_person",
    "sample_person",
]

_AGES = ("young", "teenager", "adult", "old")
_UPPER_COLORS = ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")
LOWER_COLORS = ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")
ATTRIBUTE_COLUMNS = (
    *("age", "backpack", "bag", "handbag", "clothes", "down", "up", "hair", "hat", "gender"),
    *(f"up{color}" for color in _UPPER_COLORS),
    *(f"down{color}" for color in LOWER_COLORS),
)
"""The 27 columns in the order of the course's `annotations_train.csv`."""

_AGE_SHARES = {"young": 0.10, "teenager": 0.42, "adult": 0.34, "old": 0.14}
_UPPER_SHARES = dict(zip(_UPPER_COLORS, (0.17, 0.17, 0.13, 0.09, 0.10, 0.12, 0.12, 0.10), strict=True))
_LOWER_SHARES = dict(zip(LOWER_COLORS, (0.20, 0.10, 0.07, 0.07, 0.07, 0.14, 0.16, 0.08, 0.11), strict=True))
_UPPER_PATTERNS = {
    **{"plain": 0.20, "stripes": 0.13, "bars": 0.10, "checks": 0.10, "dots": 0.09, "logo": 0.12},
    **{"block": 0.08, "yoke": 0.06, "halves": 0.05, "sash": 0.07},
}
_TROUSER_PATTERNS = {"plain": 0.62, "seam": 0.18, "block": 0.08, "checks": 0.12}
_SKIRT_PATTERNS = {"plain": 0.40, "stripes": 0.18, "dots": 0.16, "bars": 0.12, "checks": 0.14}
_MANY_COLORED = ("checks", "halves", "block")
"""Patterns without a dominant colour: no colour column is set for them ("multi/other")."""
_SKINS: tuple[Color, ...] = ((244, 208, 182), (228, 182, 148), (198, 146, 108), (150, 100, 68), (96, 62, 44))
_HAIRS: dict[str, Color] = {
    **{"black": (24, 20, 20), "dark": (52, 36, 26), "brown": (98, 62, 34)},
    **{"fair": (196, 158, 92), "red": (146, 66, 28)},
}


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that stays the same about one person. Lengths are shares of a standard adult's height."""

    age: str
    female: bool
    upper: Fabric
    lower: Fabric
    upper_color: str | None
    """Name of the upper garment's colour, None where no colour dominates."""
    lower_color: str | None
    long_sleeves: bool
    long_lower: bool
    dress: bool
    """Wears a skirt or a one-piece dress, not trousers."""
    one_piece: bool
    skin: Color
    hair: Color
    long_hair: bool
    shoes: Color
    hat: Color | None
    backpack: Fabric | None
    bag: Color | None
    """Worn on a strap across the chest."""
    handbag: Color | None
    side: int
    """Side that bags are carried on: 1 left, -1 right."""
    height: float
    bulk: float
    head: float
    legs: float
    stoop: float

    def attributes(self) -> dict[str, int]:
        """The 27 columns with Market-1501's encoding, in the order of ATTRIBUTE_COLUMNS."""
        values = {
            "age": _AGES.index(self.age) + 1,
            "backpack": _yes(self.backpack is not None),
            "bag": _yes(self.bag is not None),
            "handbag": _yes(self.handbag is not None),
            "clothes": 1 if self.dress else 2,
            "down": 1 if self.long_lower else 2,
            "up": 1 if self.long_sleeves else 2,
            "hair": 2 if self.long_hair else 1,
            "hat": _yes(self.hat is not None),
            "gender": 2 if self.female else 1,
        }
        values |= {f"up{color}": _yes(color == self.upper_color) for color in _UPPER_COLORS}
        return values | {f"down{color}": _yes(color == self.lower_color) for color in LOWER_COLORS}


def _yes(flag: bool) -> int:
    return 2 if flag else 1


def sample_person(rng: np.random.Generator) -> Person:
    """A random person; age, gender, hair, clothes and bags are correlated."""
    age = choose(rng, _AGE_SHARES)
    female = bool(rng.random() < 0.46)
    child, old = age == "young", age == "old"
    dress = bool(female and rng.random() < (0.25 if old else 0.42))
    one_piece = bool(dress and rng.random() < 0.4)
    upper, upper_color = _sample_fabric(rng, _UPPER_SHARES, _UPPER_PATTERNS)
    lower, lower_color = _sample_fabric(rng, _LOWER_SHARES, _SKIRT_PATTERNS if dress else _TROUSER_PATTERNS)
    if one_piece:
        upper, upper_color = lower, lower_color if lower_color in _UPPER_COLORS else None
    carried = choose(rng, {"nothing": 0.34, "backpack": 0.28, "bag": 0.20, "handbag": 0.24 if female else 0.10})
    hair = (
        "gray"
        if old and rng.random() < 0.75
        else choose(rng, {"black": 0.42, "dark": 0.22, "brown": 0.16, "fair": 0.12, "red": 0.08})
    )
    backpack = Fabric(
        pick(rng, "black", "blue", "red", "green", "pink", "yellow", "gray"),
        pick(rng, "black", "white", "orange", "yellow"),
        choose(rng, {"plain": 0.45, "yoke": 0.3, "stripes": 0.25}),
        int(rng.integers(2, 4)),
    )
    bag, handbag = (pick(rng, "black", "brown", "red", "white", "green", "blue") for _ in range(2))
    hat = pick(rng, "black", "white", "red", "blue", "yellow", "green")
    return Person(
        age=age,
        female=female,
        upper=upper,
        lower=lower,
        upper_color=upper_color,
        lower_color=lower_color,
        long_sleeves=bool(rng.random() < (0.5 if old else 0.24)),
        long_lower=bool(rng.random() < (0.3 if dress else 0.72 if old else 0.5)),
        dress=dress,
        one_piece=one_piece,
        skin=blend(*_neighbours(rng), float(rng.random())),
        hair=shade(rng, "gray") if hair == "gray" else tint(_HAIRS[hair], float(rng.uniform(0.85, 1.15))),
        long_hair=bool(rng.random() < ((0.35 if old else 0.74) if female else 0.07)),
        shoes=pick(rng, "black", "white", "brown", "red", "gray", "blue", "yellow"),
        hat=hat if rng.random() < (0.2 if child or old else 0.1) else None,
        backpack=backpack if carried == "backpack" else None,
        bag=bag if carried == "bag" else None,
        handbag=handbag if carried == "handbag" else None,
        side=1 if rng.random() < 0.5 else -1,
        height=float(rng.normal(0.84 if child else 0.94 if old else 0.97, 0.03) - 0.03 * female),
        bulk=float(np.clip(rng.normal(1.16 if old else 1.06 if age == "adult" else 0.98, 0.13), 0.75, 1.5)),
        head=0.178 if child else float(rng.uniform(0.136, 0.15)),
        legs=0.43 if child else float(rng.uniform(0.455, 0.51)),
        stoop=float(rng.uniform(0.05, 0.12)) if old else float(rng.uniform(-0.01, 0.03)),
    )


def _neighbours(rng: np.random.Generator) -> tuple[Color, Color]:
    tone = int(np.searchsorted((0.38, 0.70, 0.86, 1.0), rng.random()))
    return _SKINS[tone], _SKINS[tone + 1]


def _sample_fabric(
    rng: np.random.Generator, colors: dict[str, float], patterns: dict[str, float]
) -> tuple[Fabric, str | None]:
    """A fabric and the name of its dominant colour, None where it has none."""
    name, pattern = choose(rng, colors), choose(rng, patterns)
    color = shade(rng, name)
    others = [other for other in (*_UPPER_COLORS, "orange", "pink") if other != name]
    second = shade(rng, others[int(rng.integers(len(others)))])
    for _ in range(8):  # Draw again while the second colour is too near the first to be seen.
        if sum(abs(a - b) for a, b in zip(color, second, strict=True)) > 150:
            break
        second = shade(rng, others[int(rng.integers(len(others)))])
    fabric = Fabric(color, second, pattern, int(rng.integers(2, 7)))
    return fabric, None if pattern in _MANY_COLORED else name


# Drawing. Body coordinates: X to the person's left, Y up from the ground, Z ahead. `_Body` turns them into the flat
# coordinates of the canvas: x to the right, y up, and a depth that grows towards the camera.


class _Body:
    """A person's joints as one shot shows them."""

    def __init__(self, person: Person, shot: Shot, pitch: float) -> None:
        self.cos, self.sin = math.cos(shot.yaw), math.sin(shot.yaw)
        self.pitch_cos, self.pitch_sin = math.cos(pitch), math.sin(pitch)
        self.person, self.shot = person, shot
        bulk, female = person.bulk, person.female
        self.hip = person.legs
        self.top = 1.0
        self.chin = 1.0 - person.head
        self.shoulder = self.chin - 0.03
        self.shoulder_half = (0.105 if female else 0.118) * (0.55 + 0.45 * bulk)
        self.waist_half = (0.074 if female else 0.088) * (0.25 + 0.75 * bulk)
        self.hip_half = (0.094 if female else 0.088) * (0.4 + 0.6 * bulk)
        self.depth = 0.066 * (0.2 + 0.8 * bulk)
        self.limb = 0.4 + 0.6 * bulk

    def flat(self, x: float, y: float, z: float = 0.0) -> Point:
        """Canvas point of a body point; a stoop moves the trunk forward, the more the higher the point."""
        z += self.person.stoop * max(0.0, y - self.hip) * 2
        depth = z * self.cos - x * self.sin
        return x * self.cos + z * self.sin, y * self.pitch_cos - depth * self.pitch_sin

    def nearness(self, x: float, z: float) -> float:
        return z * self.cos - x * self.sin

    def ring(self, y: float, half: float, depth: float) -> tuple[Point, Point]:
        """Left and right end of the trunk's outline at a height."""
        x, flat_y = self.flat(0.0, y)
        reach = math.hypot(half * self.cos, depth * self.sin)
        return (x - reach, flat_y), (x + reach, flat_y)

    def wrap(self, *rings: tuple[float, float, float]) -> Panel:
        """A panel around the trunk from rings of (height, half width, half depth), from top to bottom."""
        ends = [self.ring(*ring) for ring in rings]
        return Panel([left for left, _ in ends], [right for _, right in ends])


def draw_person(canvas: Canvas, person: Person, shot: Shot, pitch: float, light_side: int) -> None:
    """Draw a person who stands at the canvas's origin, 1 unit tall for a standard adult.

    `pitch` is how steeply the camera looks down (radians), `light_side` the side the light comes from (-1 left).
    """
    body = _Body(person, shot, pitch)
    swing = 0.42 * math.sin(shot.phase) * shot.stride
    layers: list[tuple[float, Callable[[], None]]] = []
    for side in (1, -1):
        near = body.nearness(side * body.hip_half, 0.0)
        layers.append((near * 0.2, lambda s=side, n=near: _leg(canvas, body, s, swing * s, n, light_side)))  # type: ignore[misc]
        near = body.nearness(side * body.shoulder_half, 0.0)
        layers.append((near + 0.012, lambda s=side, n=near: _arm(canvas, body, s, -swing * s, n, light_side)))  # type: ignore[misc]
    layers.append((0.03, lambda: _trunk(canvas, body, light_side)))
    layers.append((0.031, lambda: _head(canvas, body)))
    if person.backpack is not None:
        layers.append((0.032 + body.nearness(0.0, -0.1), lambda: _backpack(canvas, body, light_side)))
    if person.bag is not None:
        layers.append((0.04 + body.nearness(person.side * 0.11, 0.0), lambda: _shoulder_bag(canvas, body)))
    for _, draw in sorted(layers, key=lambda layer: layer[0]):
        draw()


def _leg(canvas: Canvas, body: _Body, side: int, swing: float, near: float, light_side: int) -> None:
    person, light = body.person, 1.0 if near >= -0.01 else 0.82
    half, hip = body.hip_half * 0.5 * side, body.hip
    thigh, shin = hip * 0.5, hip * 0.46
    knee = (half, hip - thigh * math.cos(swing), thigh * math.sin(swing))
    bend = swing - 0.5 * max(0.0, -swing) - 0.12
    ankle = (half, max(0.035, knee[1] - shin * math.cos(bend)), knee[2] + shin * math.sin(bend))
    a, b, c = body.flat(half, hip), body.flat(*knee), body.flat(*ankle)
    width = 0.088 * body.limb
    upper, lower = limb(a, b, width * 1.08, width * 0.82), limb(b, c, width * 0.78, width * 0.52)
    toe = body.flat(ankle[0], ankle[1] - 0.028, ankle[2] + 0.045)
    skin = tint(person.skin, light)
    if person.dress:
        canvas.polygon(upper.outline, skin)
        canvas.polygon(lower.outline, skin)
    else:
        cover(canvas, upper, person.lower, body.shot.yaw, light, -light_side)
        if person.long_lower:
            plain = Fabric(person.lower.color) if person.lower.pattern == "block" else person.lower
            shin_fabric = Fabric(person.lower.second) if person.lower.pattern == "block" else plain
            wide = limb(b, c, width * 0.82, width * 0.74)
            canvas.ellipse(b, width * 0.4, width * 0.4, tint(plain.color, light))
            cover(canvas, wide, shin_fabric, body.shot.yaw, light, -light_side)
        else:
            canvas.polygon(lower.outline, skin)
            cuff = limb(b, lower.at(0.5, 0.18), width * 0.86, width * 0.9)
            canvas.polygon(cuff.outline, tint(person.lower.color, light * 0.94))
    shoe = tint(person.shoes, light)
    canvas.ellipse(c, width * 0.34, width * 0.34, shoe)
    canvas.line([c, toe], 0.042, shoe)


def _arm(canvas: Canvas, body: _Body, side: int, swing: float, near: float, light_side: int) -> None:
    person, light = body.person, 0.94 if near >= -0.02 else 0.8
    x = side * body.shoulder_half * 0.95
    spread = side * (0.02 + 0.02 * person.bulk)
    top = (x, body.shoulder - 0.012, 0.0)
    elbow = (x + spread, body.shoulder - 0.17 * math.cos(swing), 0.17 * math.sin(swing))
    bend = swing + 0.25 + body.shot.elbow
    wrist = (
        elbow[0] - spread * 0.3,
        elbow[1] - 0.155 * math.cos(bend),
        elbow[2] + 0.155 * math.sin(bend),
    )
    a, b, c = body.flat(*top), body.flat(*elbow), body.flat(*wrist)
    width = 0.064 * body.limb
    upper, lower = limb(a, b, width, width * 0.8), limb(b, c, width * 0.74, width * 0.58)
    skin = tint(person.skin, light)
    canvas.polygon(lower.outline, skin)
    canvas.ellipse(c, width * 0.36, width * 0.42, skin)
    canvas.polygon(upper.outline, skin)
    trim = Fabric(person.upper.trim, person.upper.second, person.upper.pattern, 4)
    if person.upper.pattern not in ("stripes", "bars", "checks"):
        trim = Fabric(person.upper.trim)
    sleeve = upper if person.long_sleeves else Panel(*_shortened(upper, 0.62))
    canvas.ellipse(a, width * 0.52, width * 0.5, tint(trim.color, light))
    cover(canvas, sleeve, trim, body.shot.yaw, light, -light_side)
    if person.long_sleeves:
        canvas.ellipse(b, width * 0.4, width * 0.4, tint(trim.color, light))
        cover(
            canvas,
            limb(b, lower.at(0.5, 0.86), width * 0.82, width * 0.7),
            trim,
            body.shot.yaw,
            light,
            -light_side,
        )
    if person.handbag is not None and side == person.side:
        _handbag(canvas, c, tint(person.handbag, light))


def _shortened(panel: Panel, v: float) -> tuple[list[Point], list[Point]]:
    return [panel.at(0, 0), panel.at(0, v)], [panel.at(1, 0), panel.at(1, v)]


def _handbag(canvas: Canvas, hand: Point, color: Color) -> None:
    x, y = hand
    canvas.line([(x, y), (x - 0.04, y - 0.06)], 0.012, tint(color, 0.6))
    canvas.line([(x, y), (x + 0.04, y - 0.06)], 0.012, tint(color, 0.6))
    box = Panel([(x - 0.055, y - 0.055), (x - 0.075, y - 0.165)], [(x + 0.055, y - 0.055), (x + 0.075, y - 0.165)])
    canvas.polygon(box.outline, color)
    canvas.polygon(box.patch(0, 1, 0, 0.2), tint(color, 0.7))


def _trunk(canvas: Canvas, body: _Body, light_side: int) -> None:
    person, yaw = body.person, body.shot.yaw
    sh, wh, hh, d = body.shoulder_half, body.waist_half, body.hip_half, body.depth
    waist = body.hip + (body.shoulder - body.hip) * 0.34
    canvas.polygon(body.wrap((body.chin + 0.02, 0.034, 0.036), (body.shoulder, 0.042, 0.04)).outline, person.skin)
    skirt_hem = body.hip * (0.22 if person.long_lower else 0.56)
    flare = 1.3 if person.long_lower else 1.36
    if person.dress:
        top = waist if person.one_piece else body.hip + 0.06
        skirt = body.wrap(
            (top, wh if person.one_piece else hh * 0.96, d),
            (body.hip, hh * 1.06, d * 1.15),
            (skirt_hem, hh * flare, d * 1.5),
        )
        cover(canvas, skirt, person.lower, yaw, 1.0, -light_side)
    else:
        seat = body.wrap((body.hip + 0.05, hh * 0.98, d), (body.hip - 0.035, hh * 1.04, d * 1.1))
        canvas.polygon(seat.outline, person.lower.color)
    hem = waist if person.one_piece else body.hip + 0.015
    shirt = body.wrap(
        (body.shoulder + 0.022, 0.05, d * 0.8),
        (body.shoulder - 0.012, sh, d),
        (body.shoulder - 0.1, sh * 0.95, d * 1.08),
        (waist, wh, d),
        *([] if person.one_piece else [(hem, hh * 1.02, d * 1.04)]),
    )
    cover(canvas, shirt, person.upper, yaw, 1.0, -light_side)
    if person.backpack is not None and body.cos > 0:
        for x in (-0.5, 0.5):
            strap = [body.flat(sh * x, body.shoulder + 0.01, d), body.flat(sh * x * 1.15, waist, d * 0.9)]
            canvas.line(strap, 0.022, tint(person.backpack.color, 0.85))


def _head(canvas: Canvas, body: _Body) -> None:
    person = body.person
    radius = person.head * 0.5
    x, y = body.flat(0.0, body.chin + radius, 0.012)
    wide = radius * 0.82
    if person.long_hair:
        fall = body.wrap(
            (body.chin + radius * 1.2, wide * 1.05, wide * 1.05),
            (body.shoulder - 0.045, wide * 1.18, wide * 0.95),
        )
        shift = -0.03 * body.sin
        if body.cos < 0.45:  # From ahead, long hair lies behind the neck and is seen on both sides of it only.
            canvas.polygon([(px + shift, py) for px, py in fall.outline], person.hair)
        else:
            for u0, u1 in ((0.0, 0.2), (0.8, 1.0)):
                canvas.polygon(fall.patch(u0, u1, 0, 1), person.hair)
    canvas.ellipse((x, y), wide * 1.06, radius * 1.03, person.hair)
    facing = (body.cos + 0.62) / 1.62
    if facing > 0:
        face = (x + body.sin * wide * 0.42, y - radius * 0.17)
        face_width = wide * (0.88 * facing + 0.18 * abs(body.sin))
        canvas.ellipse(face, face_width, radius * 0.82, person.skin)
        if body.cos > 0.1:
            for eye in (-0.38, 0.38):
                at = (face[0] + (eye * body.cos + 0.35 * body.sin) * wide, face[1] + radius * 0.12)
                canvas.ellipse(at, 0.006, 0.006, (40, 30, 30))
            mouth = (face[0] + 0.3 * body.sin * wide, face[1] - radius * 0.42)
            canvas.ellipse(mouth, 0.014, 0.004, blend(person.skin, (140, 40, 40), 0.5))
    if person.hat is not None:
        crown = Panel(
            [(x - wide * 0.75, y + radius * 1.12), (x - wide * 1.12, y + radius * 0.28)],
            [(x + wide * 0.75, y + radius * 1.12), (x + wide * 1.12, y + radius * 0.28)],
        )
        canvas.polygon(crown.outline, person.hat)
        canvas.ellipse((x, y + radius * 1.02), wide * 0.8, radius * 0.26, person.hat)
        brim = x + body.sin * wide * 0.9
        canvas.ellipse((brim, y + radius * 0.28), wide * 1.2, radius * 0.15, tint(person.hat, 0.7))


def _backpack(canvas: Canvas, body: _Body, light_side: int) -> None:
    pack = body.person.backpack
    assert pack is not None
    out = body.depth + 0.055
    half, depth = 0.098, 0.062
    reach = math.hypot(half * body.cos, depth * body.sin)
    (x, top), (_, bottom) = body.flat(0, body.shoulder + 0.012, -out), body.flat(0, body.hip + 0.04, -out)
    panel = Panel(
        [(x - reach * 0.8, top), (x - reach, top - 0.05), (x - reach, bottom)],
        [(x + reach * 0.8, top), (x + reach, top - 0.05), (x + reach, bottom)],
    )
    cover(canvas, panel, pack, body.shot.yaw + math.pi, 1.0, -light_side)
    pocket = panel.patch(0.2, 0.8, 0.55, 0.9) if body.cos < -0.2 else panel.patch(0.0, 1.0, 0.96, 1.0)
    canvas.polygon(pocket, tint(pack.color, 0.7))


def _shoulder_bag(canvas: Canvas, body: _Body) -> None:
    person = body.person
    assert person.bag is not None
    x, reach = person.side * (body.hip_half + 0.015), body.depth
    face = reach if body.cos >= 0 else -reach
    strap = [
        body.flat(-person.side * body.shoulder_half * 0.55, body.shoulder + 0.01, face * 0.8),
        body.flat(x * 0.7, body.hip + 0.07, face),
    ]
    canvas.line(strap, 0.02, tint(person.bag, 0.7))
    cx, cy = body.flat(x, body.hip + 0.015, face * 0.3)
    width = 0.055 + 0.035 * abs(body.sin)
    box = Panel([(cx - width, cy + 0.06), (cx - width, cy - 0.06)], [(cx + width, cy + 0.06), (cx + width, cy - 0.06)])
    canvas.polygon(box.outline, person.bag)
    canvas.polygon(box.patch(0, 1, 0.0, 0.42), tint(person.bag, 0.76))
