"""Fabrics: colours and a pattern, laid on a surface so that every view shows the same garment."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from resight.synthetic.canvas import Canvas, Panel
from resight.synthetic.palette import Color, blend, tint

__all__ = ["PATTERNS", "Fabric", "cover"]


@dataclass(frozen=True, slots=True)
class Fabric:
    """A cloth: main colour, second colour, pattern (a key of PATTERNS) and how many repeats it has."""

    color: Color
    second: Color = (0, 0, 0)
    pattern: str = "plain"
    repeats: int = 5

    @property
    def trim(self) -> Color:
        """Colour of sleeves that differ from the body of the garment."""
        return self.second if self.pattern in ("block", "logo", "yoke") else self.color


def cover(canvas: Canvas, panel: Panel, fabric: Fabric, yaw: float, light: float = 1.0, shadow: int = 1) -> None:
    """Cover a panel that wraps a body turned by `yaw` radians (0 faces the camera).

    `light` scales the colours; `shadow` says which side lies in shade (1 right, -1 left, 0 neither).
    """
    color, second = tint(fabric.color, light), tint(fabric.second, light)
    canvas.polygon(panel.outline, color)
    PATTERNS[fabric.pattern](canvas, panel, color, second, fabric.repeats, yaw)
    if shadow:
        dark = tint(color, 0.72)
        edge = (0.86, 1.0) if shadow > 0 else (0.0, 0.14)
        canvas.polygon(panel.patch(*edge, 0.0, 1.0), dark)


def _around(angle: float, yaw: float) -> tuple[float, float]:
    """Where a mark at `angle` around the body is seen: u, and the cosine to the camera (out of sight from 0 down)."""
    return 0.5 + 0.5 * math.sin(angle + yaw), math.cos(angle + yaw)


def _plain(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    """The main colour alone."""


def _stripes(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    for k in range(repeats):
        canvas.polygon(panel.patch(0, 1, (k + 0.35) / repeats, (k + 0.85) / repeats), second)


def _bars(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    """Upright bars so wide that they meet: of the main colour a rim is left, and slits where there are few.

    Narrower ones would change every street that is drawn from a seed, and the figures that are published of them.
    """
    step = math.pi / repeats
    for k in range(2 * repeats):
        u, facing = _around(k * step, yaw)
        half = 0.5 * facing * step * 0.5
        if half > 0.004:
            canvas.polygon(panel.patch(max(0.0, u - half), min(1.0, u + half), 0, 1), second)


def _checks(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    """Stripes of the second colour on bars of a mixed one, which meet as all bars do."""
    _bars(canvas, panel, color, blend(color, second, 0.55), repeats, yaw)
    for k in range(repeats):
        canvas.polygon(panel.patch(0, 1, (k + 0.35) / repeats, (k + 0.75) / repeats), second)


def _dots(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    step = math.pi / repeats
    (x0, y0), (x1, y1) = panel.at(0, 0.5), panel.at(1, 0.5)
    radius = 0.26 * math.hypot(x1 - x0, y1 - y0) / repeats * 1.3
    for row in range(repeats):
        for k in range(2 * repeats):
            u, facing = _around((k + 0.5 * (row % 2)) * step, yaw)
            if facing > 0.1:
                canvas.ellipse(panel.at(u, (row + 0.5) / repeats), radius * (0.4 + 0.6 * facing), radius, second)


def _logo(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    u, facing = _around(0.0, yaw)
    if facing < 0.15:
        return
    half = 0.27 * facing
    u0, u1 = max(0.0, u - half), min(1.0, u + half)
    if repeats % 3 == 0:
        (x0, y0), (x1, y1) = panel.at(u0, 0.42), panel.at(u1, 0.42)
        canvas.ellipse(panel.at(u, 0.42), math.dist((x0, y0), (x1, y1)) / 2, 0.055, second)
    elif repeats % 3 == 1:
        canvas.polygon(panel.patch(u0, u1, 0.28, 0.6), second)
    else:
        canvas.polygon(panel.patch(u0, u1, 0.26, 0.36), second)
        canvas.polygon(panel.patch(u0, u1, 0.46, 0.56), second)


def _block(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    canvas.polygon(panel.patch(0, 1, 0.3 + 0.05 * repeats, 1), second)


def _yoke(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    canvas.polygon(panel.patch(0, 1, 0, 0.14 + 0.03 * repeats), second)


def _halves(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    front, front_facing = _around(0.0, yaw)
    back, _ = _around(math.pi, yaw)
    u0, u1 = (front, 1.0) if front_facing > 0 else (0.0, back)
    canvas.polygon(panel.patch(u0, u1, 0, 1), second)


def _sash(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    high, low = (0.05, 0.55) if math.cos(yaw) > 0 else (0.55, 0.05)
    points = [panel.at(0, high), panel.at(0, high + 0.3), panel.at(1, low + 0.3), panel.at(1, low)]
    canvas.polygon(points, second)


def _seam(canvas: Canvas, panel: Panel, color: Color, second: Color, repeats: int, yaw: float) -> None:
    for angle in (math.pi / 2, -math.pi / 2):
        u, facing = _around(angle, yaw)
        half = 0.09 + 0.1 * max(facing, 0.0)
        if facing > -0.35:
            canvas.polygon(panel.patch(max(0.0, u - half), min(1.0, u + half), 0, 1), second)


PATTERNS: dict[str, Callable[[Canvas, Panel, Color, Color, int, float], None]] = {
    "plain": _plain,
    "stripes": _stripes,
    "bars": _bars,
    "checks": _checks,
    "dots": _dots,
    "logo": _logo,
    "block": _block,
    "yoke": _yoke,
    "halves": _halves,
    "sash": _sash,
    "seam": _seam,
}
"""Pattern name -> how it is laid on a panel."""
