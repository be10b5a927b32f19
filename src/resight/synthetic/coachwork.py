"""How vehicles are drawn: hulls of flat faces, seen from any side, with the decals and fittings on them.

Vehicle coordinates are metres: X to the vehicle's left, Y up from the ground, Z ahead of its middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resight.synthetic.canvas import Canvas, Panel, Point
from resight.synthetic.palette import Color, blend, tint
from resight.synthetic.shots import Shot
from resight.synthetic.vehicles import Decal, Vehicle

__all__ = ["draw_vehicle", "vehicle_extent"]

_Solid = tuple[float, float, float]
_RUBBER: Color = (26, 26, 28)
_SOCKET: Color = (12, 12, 14)
_RED: Color = (196, 26, 30)
"""Tail lamps."""
_DARK_RED: Color = (92, 6, 14)
"""Tail lamps of red and orange vehicles."""
_LAMP: Color = (244, 240, 214)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A type's proportions: lengths in metres; places along the vehicle as shares of its length, 0.5 at the front."""

    length: float
    half: float
    """Half the width."""
    height: float
    nose: float
    """Height of the bonnet's front edge, of the windows' lower edge, and of the boot lid."""
    belt: float
    deck: float
    cabin: tuple[float, float, float, float]
    """Windscreen's foot and head, rear window's head and foot."""
    axles: tuple[float, float]
    wheel: float
    roof: float
    """Half width of the roof as a share of the body's."""
    tail: float = -0.5
    """Where the body ends; a truck's body is its cab alone."""


_SHAPES = {
    "sedan": _Shape(4.7, 0.90, 1.46, 0.70, 0.94, 0.98, (0.24, 0.07, -0.20, -0.37), (0.31, -0.30), 0.34, 0.76),
    "suv": _Shape(4.6, 0.95, 1.82, 0.96, 1.14, 1.14, (0.24, 0.10, -0.42, -0.48), (0.31, -0.31), 0.40, 0.82),
    "van": _Shape(5.1, 0.98, 2.2, 0.98, 1.22, 1.22, (0.42, 0.27, -0.48, -0.49), (0.33, -0.30), 0.36, 0.90),
    "hatchback": _Shape(3.8, 0.86, 1.50, 0.76, 0.96, 0.98, (0.28, 0.09, -0.33, -0.48), (0.32, -0.33), 0.33, 0.78),
    "mpv": _Shape(4.6, 0.92, 1.76, 0.84, 1.02, 1.02, (0.39, 0.15, -0.43, -0.485), (0.31, -0.31), 0.35, 0.82),
    "pickup": _Shape(5.3, 0.96, 1.82, 0.98, 1.14, 1.10, (0.22, 0.10, -0.08, -0.11), (0.32, -0.31), 0.41, 0.82),
    "bus": _Shape(8.6, 1.22, 2.95, 1.15, 1.3, 1.3, (0.495, 0.48, -0.49, -0.495), (0.32, -0.30), 0.46, 0.94),
    "truck": _Shape(6.2, 1.08, 2.35, 1.2, 1.35, 1.35, (0.49, 0.43, 0.23, 0.23), (0.36, -0.30), 0.46, 0.88, 0.22),
    "estate": _Shape(4.8, 0.90, 1.50, 0.70, 0.94, 0.96, (0.24, 0.07, -0.40, -0.485), (0.31, -0.30), 0.34, 0.78),
}
_BOX = (1.02, 2.85, 0.2)
"""A truck's box: lower and upper edge, front end."""


class _View:
    """A vehicle seen from one place."""

    def __init__(self, vehicle: Vehicle, yaw: float, pitch: float, perspective: float, light_side: int) -> None:
        shape = _SHAPES[vehicle.type]
        self.vehicle, self.shape = vehicle, shape
        self.length, self.half = shape.length * vehicle.length, shape.half * vehicle.width
        self.rise = vehicle.height
        self.height = shape.height * vehicle.height
        self.cos, self.sin = math.cos(yaw), math.sin(yaw)
        self.pitch_cos, self.pitch_sin = math.cos(pitch), math.sin(pitch)
        self.eye = self.length / max(perspective, 0.01)
        self.middle = self.height / 2
        self.light = (0.5 * light_side, 0.8, 0.33)

    def flat(self, point: _Solid) -> Point:
        """Canvas point of a point of the vehicle; (0, 0) is its middle."""
        x, y, z = point
        y -= self.middle
        depth = z * self.cos - x * self.sin
        scale = self.eye / (self.eye - depth * self.pitch_cos - y * self.pitch_sin)
        return (x * self.cos + z * self.sin) * scale, (y * self.pitch_cos - depth * self.pitch_sin) * scale

    def turned(self, vector: _Solid) -> _Solid:
        """A direction or place in the camera's axes: to the right, up, towards the camera."""
        x, y, z = vector
        depth = z * self.cos - x * self.sin
        return (
            x * self.cos + z * self.sin,
            y * self.pitch_cos - depth * self.pitch_sin,
            depth * self.pitch_cos + y * self.pitch_sin,
        )

    def lit(self, normal: _Solid, at: _Solid) -> float:
        """Brightness of a face with this normal at this place; 0 when it faces away from the camera."""
        nx, ny, nz = self.turned(normal)
        px, py, pz = self.turned((at[0], at[1] - self.middle, at[2]))
        if nx * -px + ny * -py + nz * (self.eye - pz) <= 0:
            return 0.0
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        lx, ly, lz = self.light
        return 0.74 + 0.36 * max(0.0, (nx * lx + ny * ly + nz * lz) / length)

    def panel(self, first: Iterable[_Solid], second: Iterable[_Solid]) -> Panel:
        return Panel([self.flat(point) for point in first], [self.flat(point) for point in second])


class _Hull:
    """A shell from stations front to rear: (z, lower y, lower half width, upper y, upper half width)."""

    __slots__ = ("stations", "view")

    def __init__(self, view: _View, *stations: tuple[float, float, float, float, float]) -> None:
        self.view, self.stations = view, stations

    def side(self, sign: int) -> tuple[Panel, float] | None:
        """The left (1) or right (-1) face: u from top to bottom, v from front to rear; with its light."""
        inner = self.stations[len(self.stations) // 2]
        lean = (inner[2] - inner[4]) / max(inner[3] - inner[1], 0.1)
        light = self.view.lit((sign, lean, 0.0), (sign * inner[2], inner[1], inner[0]))
        if not light:
            return None
        top = [(sign * s[4], s[3], s[0]) for s in self.stations]
        bottom = [(sign * s[2], s[1], s[0]) for s in self.stations]
        return self.view.panel(top, bottom), light

    def end(self, sign: int) -> tuple[Panel, float] | None:
        """The front (1) or rear (-1) face: u across, v from top to bottom."""
        z, low, low_half, high, high_half = self.stations[0 if sign > 0 else -1]
        light = self.view.lit((0.0, 0.0, sign), (0.0, low, z))
        if not light:
            return None
        left, right = ([(x * high_half, high, z), (x * low_half, low, z)] for x in (sign * -1.0, sign * 1.0))
        return self.view.panel(left, right), light

    def top(self, i: int) -> tuple[Panel, float] | None:
        """The upper face from station i to the next: u across, v from front to rear."""
        a, b = self.stations[i], self.stations[i + 1]
        light = self.view.lit((0.0, a[0] - b[0], b[3] - a[3]), (0.0, (a[3] + b[3]) / 2, (a[0] + b[0]) / 2))
        if not light:
            return None
        left, right = ([(x * a[4], a[3], a[0]), (x * b[4], b[3], b[0])] for x in (-1.0, 1.0))
        return self.view.panel(left, right), light

    def points(self) -> list[_Solid]:
        both = (1.0, -1.0)
        return [(x * s[2], s[1], s[0]) for s in self.stations for x in both] + [
            (x * s[4], s[3], s[0]) for s in self.stations for x in both
        ]


def _body(view: _View) -> _Hull:
    """Everything below the windows."""
    shape, length, half, rise = view.shape, view.length, view.half, view.rise
    low, foot = 0.62 * shape.wheel, shape.cabin
    if shape.tail > -0.5:  # A cab: flat behind.
        rear = [(shape.tail, low, 1.0, shape.deck, 1.0)]
    else:
        rear = [(foot[3], low, 1.0, shape.deck, 1.0), (-0.47, low, 1.0, shape.deck - 0.01, 0.97)]
        rear = rear if foot[3] > -0.46 else [(-0.47, low, 1.0, shape.deck, 0.98)]
        rear.append((-0.5, low + 0.06, 0.9, shape.deck - 0.05, 0.88))
    front = [(0.5, low + 0.04, 0.86, shape.nose, 0.8)]
    if foot[0] < 0.44:
        front.append((0.46, low, 1.0, shape.nose + 0.06, 0.95))
    front.append((foot[0] - 0.002, low, 1.0, shape.belt, 1.0))
    return _Hull(
        view, *((z * length, y0 * rise, w0 * half, y1 * rise, w1 * half) for z, y0, w0, y1, w1 in (*front, *rear))
    )


def _cabin(view: _View) -> _Hull:
    """The windows and the roof."""
    shape, length, half, rise = view.shape, view.length, view.half, view.rise
    foot, head, back, end = (z * length for z in shape.cabin)
    belt, deck, height, roof = shape.belt * rise, shape.deck * rise, view.height, shape.roof * half
    low = half * 0.97
    return _Hull(
        view,
        (foot, belt, low, belt + 0.001, low * 0.99),
        (head, belt, low, height, roof),
        (back, deck, low, height - 0.02, roof),
        (end, deck, low, deck + 0.001, low * 0.98),
    )


def _box(view: _View) -> _Hull:
    low, high, front = _BOX
    half, rise = view.half * 1.02, view.rise
    return _Hull(
        view,
        (front * view.length, low * rise, half, high * rise, half),
        (-0.5 * view.length, low * rise, half, high * rise, half),
    )


def vehicle_extent(
    vehicle: Vehicle, shot: Shot, pitch: float, perspective: float = 0.2
) -> tuple[float, float, float, float]:
    """Left, right, lower and upper end of a drawn vehicle in metres from its middle, for a box around it."""
    view = _View(vehicle, shot.yaw, pitch, perspective, 1)
    solid = [*_body(view).points(), *_cabin(view).points()]
    if vehicle.type == "truck":
        solid += _box(view).points()
    solid += [(x * view.half, 0.0, z * view.length) for x in (-1, 1) for z in view.shape.axles]
    if vehicle.roof in ("box", "sign", "vents", "bars"):
        solid.append((0.0, view.height + (0.3 if vehicle.roof in ("box", "vents") else 0.14), 0.0))
    flat = [view.flat(point) for point in solid]
    across, up = [x for x, _ in flat], [y for _, y in flat]
    return min(across), max(across), min(up), max(up)


def draw_vehicle(
    canvas: Canvas, vehicle: Vehicle, shot: Shot, pitch: float, light_side: int, perspective: float = 0.2
) -> None:
    """Draw a vehicle whose middle is at the canvas's origin, in metres.

    `pitch` is how steeply the camera looks down (radians), `light_side` the side the light comes from (-1 left),
    `perspective` the vehicle's length over the camera's distance.
    """
    view = _View(vehicle, shot.yaw, pitch, perspective, light_side)
    _underside(canvas, view)
    body = _body(view)
    for sign in (1, -1):
        if body.side(sign) is None:
            _wheels(canvas, view, sign, shot.phase, False)
    for sign in (1, -1):
        if body.side(sign) is not None:
            _tyres(canvas, view, sign)
    ahead = view.cos >= 0
    hidden = view.cos < 0 and abs(view.sin) < 0.45  # From behind, the body hides its mirrors.
    if hidden:
        _mirrors(canvas, view)
    if vehicle.type == "truck":
        _chassis(canvas, view)
        parts = [_draw_load_box, _draw_car] if ahead else [_draw_car, _draw_load_box]
    elif vehicle.type == "pickup":
        parts = [_draw_body, _draw_bed, _draw_cabin] if ahead else [_draw_body, _draw_cabin, _draw_bed]
    else:
        parts = [_draw_car]
    for draw in parts:
        draw(canvas, view)
    for sign in (1, -1):
        if body.side(sign) is not None:
            _wheels(canvas, view, sign, shot.phase, True)
    if not hidden:
        _mirrors(canvas, view)


def _draw_car(canvas: Canvas, view: _View) -> None:
    _draw_body(canvas, view)
    _draw_cabin(canvas, view)


def _underside(canvas: Canvas, view: _View) -> None:
    half, z, y = view.half * 0.8, 0.47 * view.length, 0.5 * view.shape.wheel
    canvas.polygon([view.flat(p) for p in ((-half, y, z), (half, y, z), (half, y, -z), (-half, y, -z))], _SOCKET)


# Wheels.


def _circle(
    view: _View, x: float, y: float, z: float, radius: float, start: float = 0.0, steps: int = 14
) -> list[Point]:
    step = 2 * math.pi / steps
    return [
        view.flat((x, y + radius * math.sin(start + k * step), z + radius * math.cos(start + k * step)))
        for k in range(steps)
    ]


def _tyres(canvas: Canvas, view: _View, sign: int) -> None:
    """Treads of a side's wheels, which are seen below the body from ahead or behind."""
    radius = view.shape.wheel
    for axle in view.shape.axles:
        z = axle * view.length
        inner, outer = (_circle(view, sign * view.half * share, radius, z, radius, 0.0, 12) for share in (0.7, 0.97))
        for k in range(12):
            canvas.polygon([inner[k - 1], inner[k], outer[k], outer[k - 1]], _RUBBER)


def _wheels(canvas: Canvas, view: _View, sign: int, phase: float, near: bool) -> None:
    """Both wheels of a side; only the treads of the far side."""
    if not near:
        _tyres(canvas, view, sign)
        return
    vehicle, radius, x = view.vehicle, view.shape.wheel, sign * view.half * 1.0
    rim = tint(vehicle.rim, 0.9)
    for axle in view.shape.axles:
        z = axle * view.length
        step = math.pi / 8
        arch = [
            view.flat((x, radius + 1.16 * radius * math.sin(k * step), z + 1.16 * radius * math.cos(k * step)))
            for k in range(9)
        ]
        canvas.polygon(arch, _SOCKET)
        canvas.polygon(_circle(view, x, radius, z, radius), _RUBBER)
        canvas.polygon(_circle(view, x, radius, z, radius * 0.64), tint(rim, 0.55) if vehicle.spokes else rim)
        hub = view.flat((x, radius, z))
        for k in range(vehicle.spokes):
            angle = phase + 2 * math.pi * k / vehicle.spokes
            tip = view.flat((x, radius + 0.62 * radius * math.sin(angle), z + 0.62 * radius * math.cos(angle)))
            canvas.line([hub, tip], 0.07, rim)
        canvas.polygon(_circle(view, x, radius, z, radius * 0.2, steps=8), tint(rim, 0.8))


# The body below the windows.


def _draw_body(canvas: Canvas, view: _View) -> None:
    vehicle, body = view.vehicle, _body(view)
    for sign in (1, -1):
        if face := body.side(sign):
            panel, light = face
            paint = tint(vehicle.paint, light)
            canvas.polygon(panel.outline, paint)
            canvas.polygon(panel.patch(0.55, 1.0, 0.0, 1.0), tint(paint, 0.86))
            canvas.polygon(panel.patch(0.86, 1.0, 0.0, 1.0), tint(vehicle.trim, light * 0.8))
            canvas.polygon(panel.patch(0.0, 0.07, 0.03, 0.97), blend(paint, (255, 255, 255), 0.22))
            if vehicle.type != "truck":
                _decorate_side(canvas, panel, vehicle, light)
            _doors(canvas, panel, view, paint)
    last = len(body.stations) - 2
    for i in range(last + 1):
        if face := body.top(i):
            panel, light = face
            canvas.polygon(panel.outline, tint(vehicle.paint, light))
    _bonnet(canvas, body, view)
    if face := body.end(1):
        _front(canvas, *face, view)
    if vehicle.type not in ("truck",) and (face := body.end(-1)):
        _rear(canvas, *face, view)


def _doors(canvas: Canvas, panel: Panel, view: _View, paint: Color) -> None:
    dark = tint(paint, 0.6)
    foot = 0.5 - view.shape.cabin[0] + 0.03
    count = 2 if view.vehicle.type in ("truck", "bus", "pickup", "van") else 3
    gap = 0.1 if view.vehicle.type == "bus" else 0.21
    if view.vehicle.type == "truck":
        foot, gap = 0.12, 0.8
    for k in range(count):
        v = foot + gap * k
        if v < 0.95:
            canvas.line([panel.at(0.04, v), panel.at(0.84, v)], 0.03, dark)
            if k + 1 < count:
                canvas.polygon(panel.patch(0.16, 0.22, v + 0.75 * gap, v + 0.93 * gap), dark)


def _decorate_side(canvas: Canvas, panel: Panel, vehicle: Vehicle, light: float) -> None:
    for decal in vehicle.decals:
        if decal.place == "side":
            _apply(canvas, panel, decal, light, along=True)


def _apply(canvas: Canvas, panel: Panel, decal: Decal, light: float, along: bool) -> None:
    """Lay a decal on a face. `along` is for faces whose v runs along the decal's length."""

    def patch(down0: float, down1: float, over0: float, over1: float) -> None:
        area = (down0, down1, over0, over1) if along else (over0, over1, down0, down1)
        canvas.polygon(panel.patch(*area), color)

    def at(down: float, over: float) -> Point:
        return panel.at(down, over) if along else panel.at(over, down)

    color, size = tint(decal.color, light), decal.size
    if decal.kind == "stripe":
        top, thick = 0.12 + 0.4 * decal.at, 0.1 + 0.12 * size
        patch(top, top + thick, 0.0, 1.0)
        if decal.code % 2:
            patch(top + thick * 1.5, top + thick * 2.0, 0.0, 1.0)
    elif decal.kind == "lower":
        patch(0.45 + 0.2 * size, 0.88, 0.0, 1.0)
    elif decal.kind == "logo":
        over, reach = 0.26 + 0.5 * decal.at, (0.07 if along else 0.13) + 0.03 * size
        shape = decal.code % 3
        steps = (4, 12, 3)[shape]
        turns = (2 * math.pi * k / steps for k in range(steps))
        canvas.polygon([at(0.42 - 0.32 * math.cos(a), over + reach * math.sin(a)) for a in turns], color)
        core = tint((255, 255, 255) if sum(decal.color) < 380 else (20, 20, 24), light)
        turns = (2 * math.pi * k / steps for k in range(steps))
        canvas.polygon([at(0.42 - 0.13 * math.cos(a), over + reach * 0.42 * math.sin(a)) for a in turns], core)
    elif decal.kind == "letters":
        count = 4 + decal.code % 4
        pitch = (0.05 if along else 0.085) + 0.015 * size
        start = 0.12 + (0.76 - count * pitch) * decal.at
        top = 0.16 + 0.12 * size
        for k in range(count):
            over = start + k * pitch
            bits = decal.code >> k
            patch(top, top + 0.5, over, over + 0.3 * pitch)
            if bits & 1:
                patch(top, top + 0.14, over, over + 0.74 * pitch)
            if bits & 2:
                patch(top + 0.36, top + 0.5, over, over + 0.74 * pitch)
            if not bits & 1:
                patch(top + 0.1, top + 0.42, over + 0.48 * pitch, over + 0.74 * pitch)
    elif decal.kind == "checks":
        count = 9 + decal.code % 6
        for k in range(count):
            for row in (0, 1):
                if (k + row) % 2:
                    patch(0.18 + 0.16 * row, 0.34 + 0.16 * row, k / count, (k + 1) / count)
    else:  # slash
        over, wide = 0.2 + 0.5 * decal.at, 0.06 + 0.08 * size
        lean = 0.16 if decal.code % 2 else -0.16
        canvas.polygon(
            [at(0.0, over + lean), at(0.0, over + lean + wide), at(0.86, over + wide), at(0.86, over)], color
        )


def _bonnet(canvas: Canvas, body: _Hull, view: _View) -> None:
    vehicle = view.vehicle
    index = next(
        (i for i, s in enumerate(body.stations[:-1]) if s[0] - body.stations[i + 1][0] > 0.1 * view.length), None
    )
    if index is None or view.shape.cabin[0] >= 0.4 or not (face := body.top(index)):
        return
    panel, light = face
    canvas.polygon(panel.patch(0.12, 0.88, 0.1, 0.94), tint(vehicle.paint, light * 1.04))
    for decal in vehicle.decals:
        if decal.place != "bonnet":
            continue
        if decal.kind == "stripe":  # Along the vehicle.
            color, wide = tint(decal.color, light), 0.08 + 0.08 * decal.size
            for middle in (0.36, 0.64) if decal.code % 2 else (0.5,):
                canvas.polygon(panel.patch(middle - wide, middle + wide, 0.0, 1.0), color)
        else:
            _apply(canvas, panel, decal, light, along=False)


def _front(canvas: Canvas, panel: Panel, light: float, view: _View) -> None:
    vehicle = view.vehicle
    paint = tint(vehicle.paint, light)
    canvas.polygon(panel.outline, paint)
    canvas.polygon(panel.patch(-0.03, 1.03, 0.66, 1.0), tint(vehicle.trim, light))
    dark = tint(vehicle.grille_color, light)
    if vehicle.grille == "slot":
        canvas.polygon(panel.patch(0.3, 0.7, 0.22, 0.4), dark)
    elif vehicle.grille == "twin":
        canvas.polygon(panel.patch(0.32, 0.48, 0.16, 0.46), dark)
        canvas.polygon(panel.patch(0.52, 0.68, 0.16, 0.46), dark)
    elif vehicle.grille == "tall":
        canvas.polygon(panel.patch(0.34, 0.66, 0.12, 0.84), dark)
    canvas.polygon(panel.patch(0.22, 0.78, 0.84, 0.96), _SOCKET)
    for u0, u1 in ((0.03, 0.24), (0.76, 0.97)):
        if vehicle.lamps == "round":
            middle = (u0 + u1) / 2
            turns = (2 * math.pi * k / 10 for k in range(10))
            canvas.polygon([panel.at(middle + 0.075 * math.cos(a), 0.34 + 0.2 * math.sin(a)) for a in turns], _LAMP)
        else:
            canvas.polygon(panel.patch(u0, u1, *((0.14, 0.46) if vehicle.lamps == "wide" else (0.2, 0.3))), _LAMP)
    canvas.polygon(panel.patch(0.37, 0.63, 0.66, 0.8), tint(vehicle.plate, light))
    if view.shape.cabin[0] >= 0.4:
        for decal in vehicle.decals:
            if decal.place == "bonnet" and decal.kind != "stripe":
                _apply(canvas, Panel(*_upper(panel)), decal, light, along=False)


def _upper(panel: Panel) -> tuple[list[Point], list[Point]]:
    """The part of an end face above its lamps."""
    return [panel.at(0.1, 0.0), panel.at(0.1, 0.3)], [panel.at(0.9, 0.0), panel.at(0.9, 0.3)]


def _rear(canvas: Canvas, panel: Panel, light: float, view: _View) -> None:
    vehicle = view.vehicle
    canvas.polygon(panel.outline, tint(vehicle.paint, light))
    canvas.polygon(panel.patch(-0.02, 1.02, 0.68, 1.0), tint(vehicle.trim, light))
    red = tint(_DARK_RED if vehicle.color in ("red", "orange") else _RED, light)
    if vehicle.tail == "bar":
        canvas.polygon(panel.patch(0.04, 0.96, 0.16, 0.3), red)
    for u0, u1 in ((0.02, 0.26), (0.74, 0.98)):
        if vehicle.tail == "wide":
            canvas.polygon(panel.patch(u0, u1, 0.14, 0.4), red)
        elif vehicle.tail == "upright":
            inner = (u0, u0 + 0.1) if u0 < 0.5 else (u1 - 0.1, u1)
            canvas.polygon(panel.patch(*inner, 0.02, 0.6), red)
    canvas.polygon(panel.patch(0.36, 0.64, 0.44, 0.6), tint(vehicle.plate, light))
    for decal in vehicle.decals:
        if decal.place == "rear":
            area = (
                Panel([panel.at(0.28, 0.0), panel.at(0.28, 0.44)], [panel.at(0.72, 0.0), panel.at(0.72, 0.44)])
                if decal.kind != "stripe"
                else panel
            )
            _apply(canvas, area, decal, light, along=False)


# Windows and roof.


def _draw_cabin(canvas: Canvas, view: _View) -> None:
    vehicle, cabin = view.vehicle, _cabin(view)
    for sign in (1, -1):
        if face := cabin.side(sign):
            _windows(canvas, *face, view, sign)
    if face := cabin.top(2):
        _rear_window(canvas, *face, view)
    if face := cabin.top(0):
        _windscreen(canvas, *face, view)
    if face := cabin.top(1):
        panel, light = face
        color = vehicle.roof_color if vehicle.roof == "contrast" else vehicle.paint
        canvas.polygon(panel.outline, tint(color, light))
        if vehicle.roof == "sunroof":
            canvas.polygon(panel.patch(0.16, 0.84, 0.12, 0.62), tint(vehicle.glass, 0.7))
        for decal in vehicle.decals:
            if decal.place == "bonnet" and decal.kind == "stripe":
                wide = 0.08 + 0.08 * decal.size
                for middle in (0.36, 0.64) if decal.code % 2 else (0.5,):
                    canvas.polygon(panel.patch(middle - wide, middle + wide, 0.0, 1.0), tint(decal.color, light))
    if vehicle.type != "truck" or vehicle.roof != "bars":
        _mount(canvas, view)
    if vehicle.ladder and vehicle.type == "van":
        _ladder(canvas, view)
    if vehicle.spare is not None and view.cos < 0.05:
        z, y = -0.515 * view.length, view.shape.belt * view.rise * 0.86
        for radius, color in ((0.36, _RUBBER), (0.31, vehicle.spare), (0.1, tint(vehicle.spare, 0.6))):
            turns = (2 * math.pi * k / 14 for k in range(14))
            canvas.polygon([view.flat((radius * math.cos(a), y + radius * math.sin(a), z)) for a in turns], color)


def _windows(canvas: Canvas, panel: Panel, light: float, view: _View, sign: int) -> None:
    vehicle, shape = view.vehicle, view.shape
    paint = tint(vehicle.roof_color if vehicle.roof == "contrast" else vehicle.paint, light)
    canvas.polygon(panel.outline, paint)
    foot, head, back, end = ((shape.cabin[0] - z) * view.length for z in shape.cabin)
    tall = (view.height - shape.belt * view.rise) * 0.98
    low, high = 0.06 * tall, (0.86 if vehicle.type not in ("van", "bus") else 0.7) * tall
    lower, upper = shape.belt * view.rise, shape.roof * view.half
    wide = 0.97 * view.half

    def at(along: float, up: float) -> Point:
        x = wide + (upper - wide) * up / tall
        return view.flat((sign * x, lower + up, shape.cabin[0] * view.length - along))

    def reach(along: float) -> float:
        """Height of the glass's upper edge at a place along the cabin."""
        rise = (along - foot) / max(head - foot, 0.01) if along < head else 1.0
        fall = (end - along) / max(end - back, 0.01) if along > back else 1.0
        return max(low, min(rise, fall, 1.0) * tall - 0.1 * tall)

    glass, first = tint(vehicle.glass, light), foot + 0.14 * (head - foot) + 0.08
    last = end - 0.14 * (end - back) - 0.08
    door = min(0.95 + 0.25 * (head - foot), (last - first) * 0.6) if vehicle.type != "bus" else 0.6
    stops = [(first, first + door)]
    if vehicle.type == "truck":
        stops = [(first, last)]
    elif not vehicle.blind:
        step = (last - first - door) / vehicle.windows
        gap = min(0.3, vehicle.pillar * step)
        begin = first + door
        stops += [(begin + k * step + gap, begin + (k + 1) * step) for k in range(vehicle.windows)]
    for begin, stop in stops:
        if stop - begin < 0.08:
            continue
        cuts = [begin, *(z for z in (head, back) if begin < z < stop), stop]
        top = [at(z, min(high, reach(z))) for z in cuts]
        bottom = [at(z, low) for z in (begin, stop)]
        canvas.polygon([*top, *reversed(bottom)], glass)
        shine = begin + 0.35 * (stop - begin)
        if head <= shine <= back:
            streak = min(0.14, 0.2 * (stop - begin))
            canvas.polygon(
                [at(shine + streak, high), at(shine + 2 * streak, high), at(shine + streak, low), at(shine, low)],
                blend(glass, (255, 255, 255), 0.16),
            )
    if vehicle.blind:
        area = Panel(
            [at(first + door + 0.2, 0.9 * tall), at(last, 0.9 * tall)], [at(first + door + 0.2, 0), at(last, 0)]
        )
        canvas.polygon(area.outline, tint(paint, 0.93))
        for decal in vehicle.decals:
            if decal.place == "side":
                _apply(canvas, area, decal, light, along=True)


def _windscreen(canvas: Canvas, panel: Panel, light: float, view: _View) -> None:
    vehicle = view.vehicle
    canvas.polygon(panel.outline, tint(vehicle.paint, light * 0.92))
    glass = tint(vehicle.glass, light * 1.08)
    canvas.polygon(panel.patch(0.05, 0.95, 0.05, 0.93), glass)
    canvas.polygon(panel.patch(0.6, 0.78, 0.05, 0.93), blend(glass, (255, 255, 255), 0.12))
    if vehicle.visor is not None:
        canvas.polygon(panel.patch(0.05, 0.95, 0.74, 0.93), tint(vehicle.visor, light))
    for place, color in vehicle.stickers:
        canvas.polygon(panel.patch(place, place + 0.09, 0.1, 0.3), tint(color, light))
    if vehicle.type == "bus":
        canvas.polygon(panel.patch(0.2, 0.8, 0.8, 0.96), _SOCKET)
        canvas.polygon(panel.patch(0.28, 0.28 + 0.1 * vehicle.windows * 0.6, 0.84, 0.92), (240, 170, 40))


def _rear_window(canvas: Canvas, panel: Panel, light: float, view: _View) -> None:
    vehicle = view.vehicle
    canvas.polygon(panel.outline, tint(vehicle.paint, light * 0.95))
    if vehicle.type == "truck":
        return
    glass = tint(vehicle.glass, light)
    low = 0.6 if vehicle.type in ("van", "bus") else 0.88
    if vehicle.blind and vehicle.ladder:
        area = Panel([panel.at(0.1, 0.1), panel.at(0.1, 0.9)], [panel.at(0.9, 0.1), panel.at(0.9, 0.9)])
        for decal in vehicle.decals:
            if decal.place != "bonnet":
                _apply(canvas, area, decal, light, along=False)
    elif vehicle.type == "van":
        canvas.polygon(panel.patch(0.08, 0.47, 0.12, low), glass)
        canvas.polygon(panel.patch(0.53, 0.92, 0.12, low), glass)
    else:
        canvas.polygon(panel.patch(0.08, 0.92, 0.1, low), glass)
        canvas.polygon(panel.patch(0.55, 0.72, 0.1, low), blend(glass, (255, 255, 255), 0.12))
    for decal in vehicle.decals:
        if decal.place == "rear" and decal.kind == "logo":
            u = 0.14 + 0.5 * decal.at
            canvas.polygon(panel.patch(u, u + 0.16, 0.5, 0.8), tint(decal.color, light))


def _mirrors(canvas: Canvas, view: _View) -> None:
    z, y = (view.shape.cabin[0] - 0.03) * view.length - 0.1, view.shape.belt * view.rise + 0.1
    tall = 0.34 if view.vehicle.type in ("bus", "truck") else 0.17
    for sign in (1, -1):
        inner, outer = sign * view.half * 0.99, sign * (view.half + 0.19)
        if view.lit((sign, 0, 0.6 if view.cos > 0 else -0.6), (outer, y, z)):
            corners = [(inner, y, z), (outer, y, z), (outer, y + tall, z), (inner, y + tall, z)]
            canvas.polygon([view.flat(corner) for corner in corners], tint(view.vehicle.trim, 0.8))


def _mount(canvas: Canvas, view: _View) -> None:
    """What is mounted on the roof."""
    vehicle, shape = view.vehicle, view.shape
    head, back = shape.cabin[1] * view.length, shape.cabin[2] * view.length
    top, half, color = view.height, shape.roof * view.half, vehicle.roof_color
    if vehicle.roof == "bars":
        for x in (-0.9, 0.9):
            ends = [(x * half, top + 0.1, head - 0.1), (x * half, top + 0.1, back + 0.1)]
            canvas.line([view.flat(point) for point in ends], 0.06, tint(color, 0.8))
        for share in (0.25, 0.72):
            z = head + (back - head) * share
            ends = [(-0.95 * half, top + 0.11, z), (0.95 * half, top + 0.11, z)]
            canvas.line([view.flat(point) for point in ends], 0.08, color)
    elif vehicle.roof == "box":
        front, rear = head + (back - head) * 0.15, head + (back - head) * 0.85
        if vehicle.type == "bus":
            rear = front - 1.8
        _block(canvas, view, (-0.66 * half, 0.66 * half), (top + 0.02, top + 0.3), (rear, front), color)
    elif vehicle.roof == "sign":
        z = head + (back - head) * 0.22
        _block(canvas, view, (-0.34, 0.34), (top, top + 0.17), (z - 0.12, z + 0.12), color)
    elif vehicle.roof == "vents":
        for share in (0.3, 0.7):
            z = head + (back - head) * share
            reach = 0.1 * abs(head - back)
            _block(canvas, view, (-0.5 * half, 0.5 * half), (top, top + 0.2), (z - reach, z + reach), color)


def _block(
    canvas: Canvas,
    view: _View,
    across: tuple[float, float],
    up: tuple[float, float],
    along: tuple[float, float],
    color: Color,
) -> None:
    """A box with flat sides, from the least to the greatest X, Y and Z."""
    (x0, x1), (y0, y1), (z0, z1) = across, up, along
    middle = (x0 + x1) / 2
    faces: Sequence[tuple[_Solid, _Solid, list[_Solid]]] = (
        ((1, 0, 0), (x1, y0, z0), [(x1, y0, z0), (x1, y0, z1), (x1, y1, z1), (x1, y1, z0)]),
        ((-1, 0, 0), (x0, y0, z0), [(x0, y0, z0), (x0, y0, z1), (x0, y1, z1), (x0, y1, z0)]),
        ((0, 0, 1), (middle, y0, z1), [(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)]),
        ((0, 0, -1), (middle, y0, z0), [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]),
        ((0, 1, 0), (middle, y1, z0), [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)]),
    )
    for normal, at, corners in faces:
        if light := view.lit(normal, at):
            canvas.polygon([view.flat(corner) for corner in corners], tint(color, light))


def _ladder(canvas: Canvas, view: _View) -> None:
    z, x = -0.51 * view.length, 0.45 * view.half
    if view.lit((0, 0, -1), (x, 1.0, z)):
        rails = [x, x + 0.36]
        for rail in rails:
            canvas.line([view.flat((rail, 0.5, z)), view.flat((rail, view.height * 0.97, z))], 0.05, (150, 150, 152))
        for k in range(5):
            y = 0.6 + k * (view.height - 0.75) / 5
            canvas.line([view.flat((rails[0], y, z)), view.flat((rails[1], y, z))], 0.05, (150, 150, 152))


# What pickups and trucks carry.


def _draw_bed(canvas: Canvas, view: _View) -> None:
    shape, vehicle = view.shape, view.vehicle
    front, rear = shape.cabin[3] * view.length - 0.05, -0.47 * view.length
    y, half = shape.deck * view.rise, view.half * 0.84
    floor = [(-half, y, front), (half, y, front), (half, y, rear), (-half, y, rear)]
    canvas.polygon([view.flat(corner) for corner in floor], _SOCKET)
    step = (front - rear) / max(1, len(vehicle.cargo))
    order = range(len(vehicle.cargo))
    for k in order if view.cos < 0 else reversed(order):  # The farthest load first.
        near, far = front - k * step - 0.06, front - (k + 1) * step + 0.06
        tall = 0.24 + 0.12 * ((vehicle.cargo[k][0] + k) % 3)
        _block(canvas, view, (-0.75 * half, 0.75 * half), (y - 0.1, y + tall), (far, near), vehicle.cargo[k])


def _chassis(canvas: Canvas, view: _View) -> None:
    low, half = 0.6 * view.rise, view.half * 0.8
    _block(canvas, view, (-half, half), (low, 1.02 * view.rise), (-0.5 * view.length, 0.3 * view.length), (52, 52, 56))
    if view.cos < 0.2:
        z = -0.505 * view.length
        for x in (-0.75, 0.55):
            lamp = [(x + dx, y, z) for dx, y in ((0, 0.75), (0.2, 0.75), (0.2, 0.95), (0, 0.95))]
            canvas.polygon([view.flat(corner) for corner in lamp], _RED)


def _draw_load_box(canvas: Canvas, view: _View) -> None:
    vehicle, box = view.vehicle, _box(view)
    color = vehicle.cargo[0]
    for sign in (1, -1):
        if face := box.side(sign):
            panel, light = face
            canvas.polygon(panel.outline, tint(color, light))
            _decorate_side(canvas, panel, vehicle, light)
            for u0, u1 in ((0.0, 0.05), (0.93, 1.0)):
                canvas.polygon(panel.patch(u0, u1, 0.0, 1.0), tint(color, light * 0.7))
    for sign in (1, -1):
        if face := box.end(sign):
            panel, light = face
            canvas.polygon(panel.outline, tint(color, light))
            if sign < 0:
                canvas.line([panel.at(0.5, 0.03), panel.at(0.5, 0.97)], 0.05, tint(color, light * 0.55))
                canvas.polygon(panel.patch(0.0, 1.0, 0.92, 1.0), tint(vehicle.trim, light))
                for decal in vehicle.decals:
                    if decal.place != "bonnet":
                        _apply(canvas, panel, decal, light, along=False)
    if face := box.top(0):
        panel, light = face
        canvas.polygon(panel.outline, tint(color, light))
    if vehicle.ladder:
        _ladder(canvas, view)
