"""What subjects are drawn on: flat panels in the subject's own units, and a canvas that maps these units to pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from resight.synthetic.palette import Color

__all__ = ["SUPERSAMPLING", "Canvas", "Panel", "Point", "limb"]

Point = tuple[float, float]
SUPERSAMPLING = 2
"""Subjects are drawn so many times larger than the picture and then reduced, which smooths their edges."""


class Panel:
    """A piece of surface between a left and a right edge, with coordinates u (across, 0-1) and v (down, 0-1).

    Both edges hold the same number of points, from top to bottom. Patterns are laid out in (u, v), so they follow
    the shape of a torso, a sleeve or a door alike.
    """

    __slots__ = ("_stops", "left", "right")

    def __init__(self, left: Sequence[Point], right: Sequence[Point]) -> None:
        self.left, self.right = left, right
        stops = [0.0]
        for i in range(1, len(left)):
            step = math.dist(left[i - 1], left[i]) + math.dist(right[i - 1], right[i])
            stops.append(stops[-1] + step)
        total = stops[-1] or 1.0
        self._stops = [stop / total for stop in stops]

    def at(self, u: float, v: float) -> Point:
        """The point at (u, v)."""
        stops = self._stops
        i = 1
        while i < len(stops) - 1 and v > stops[i]:
            i += 1
        span = stops[i] - stops[i - 1]
        t = (v - stops[i - 1]) / span if span else 0.0
        (ax, ay), (bx, by) = self.left[i - 1], self.left[i]
        (cx, cy), (dx, dy) = self.right[i - 1], self.right[i]
        lx, ly = ax + (bx - ax) * t, ay + (by - ay) * t
        rx, ry = cx + (dx - cx) * t, cy + (dy - cy) * t
        return lx + (rx - lx) * u, ly + (ry - ly) * u

    def patch(self, u0: float, u1: float, v0: float, v1: float) -> list[Point]:
        """The outline of the part between two u and two v."""
        inner = [stop for stop in self._stops if v0 < stop < v1]
        down = [v0, *inner, v1]
        return [self.at(u0, v) for v in down] + [self.at(u1, v) for v in reversed(down)]

    @property
    def outline(self) -> list[Point]:
        return [*self.left, *reversed(self.right)]


def limb(start: Point, end: Point, start_width: float, end_width: float) -> Panel:
    """A panel along a line from `start` (v 0) to `end` (v 1) with the widths given."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1e-6
    nx, ny = dy / length, -dx / length
    a, b = start_width / 2, end_width / 2
    return Panel(
        [(start[0] - nx * a, start[1] - ny * a), (end[0] - nx * b, end[1] - ny * b)],
        [(start[0] + nx * a, start[1] + ny * a), (end[0] + nx * b, end[1] + ny * b)],
    )


class Canvas:
    """An RGBA layer of a subject.

    `place` maps a point in the subject's units to pixels; `unit` is how many pixels high one unit is, and
    `stretch` how much wider than high.
    """

    def __init__(
        self,
        width: int,
        height: int,
        place: Callable[[float, float], Point],
        unit: float,
        stretch: float = 1.0,
    ) -> None:
        self.image = Image.new("RGBA", (width, height))
        self.place, self.unit, self.stretch = place, unit, stretch
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        place = self.place
        self._draw.polygon([place(x, y) for x, y in points], fill=(*color, 255))

    def ellipse(self, center: Point, radius_x: float, radius_y: float, color: Color) -> None:
        x, y = self.place(*center)
        rx, ry = max(abs(radius_x) * self.unit * self.stretch, 0.5), max(abs(radius_y) * self.unit, 0.5)
        self._draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=(*color, 255))

    def line(self, points: Sequence[Point], width: float, color: Color) -> None:
        place = self.place
        self._draw.line([place(x, y) for x, y in points], fill=(*color, 255), width=max(1, round(width * self.unit)))
