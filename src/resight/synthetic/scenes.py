"""Places that cameras look at. Each is painted above and below the horizon, with random details that belong to one
camera.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from resight.synthetic.palette import Color, pick, shade, tint

__all__ = ["SCENES"]


def _ground(draw: ImageDraw.ImageDraw, wide: int, tall: int, horizon: float, far: Color, near: Color) -> None:
    steps = 12
    for k in range(steps):
        top = horizon + (tall - horizon) * k / steps
        share = k / (steps - 1)
        color = tuple(round(a + (b - a) * share) for a, b in zip(far, near, strict=True))
        draw.rectangle((0, top, wide, tall), fill=color)


def _tiles(draw: ImageDraw.ImageDraw, wide: int, tall: int, horizon: float, color: Color, step: float) -> None:
    y, gap = horizon, step * 0.2
    while y < tall:
        draw.line((0, y, wide, y), fill=color, width=2)
        y, gap = y + gap, gap * 1.35
    middle = wide / 2
    x = -wide
    while x < 2 * wide:
        draw.line((middle + (x - middle) * 0.5, horizon, x, tall), fill=color, width=2)
        x += round(step)


def _blocks(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, bottom: float, colors: tuple[str, ...]
) -> None:
    """A row of house fronts with windows."""
    x = 0.0
    while x < wide:
        width, top = rng.uniform(0.06, 0.2) * wide, bottom * rng.uniform(-0.3, 0.4)
        color = pick(rng, *colors)
        draw.rectangle((x, top, x + width, bottom), fill=color)
        step = wide * rng.uniform(0.015, 0.035)
        pane = tint(color, float(rng.choice((0.5, 0.7, 1.3))))
        for wx in np.arange(x + step * 0.3, x + width - step * 0.6, step):
            for wy in np.arange(max(0.0, top) + step * 0.4, bottom - step, step * 1.3):
                draw.rectangle((wx, wy, wx + step * 0.55, wy + step * 0.8), fill=pane)
        x += width


def _bicycles(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, line: float, size: float) -> None:
    for _ in range(int(rng.integers(10, 22))):
        x, r = rng.uniform(0, wide), size * rng.uniform(0.8, 1.2)
        color = pick(rng, "black", "gray", "red", "blue")
        for dx in (0.0, 2.3 * r):
            draw.ellipse((x + dx - r, line - 2 * r, x + dx + r, line), outline=(30, 30, 32), width=2)
        draw.line((x, line - r, x + 0.9 * r, line - 2.3 * r, x + 2.3 * r, line - r), fill=color, width=3)


def _bushes(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, line: float, size: float) -> None:
    for _ in range(int(rng.integers(30, 60))):
        x, r = rng.uniform(0, wide), size * rng.uniform(0.5, 1.3)
        green = tint(shade(rng, "green"), float(rng.uniform(0.45, 0.9)))
        draw.ellipse((x - 1.3 * r, line - r * 1.4, x + 1.3 * r, line + 0.3 * r), fill=green)


def _poles(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, bottom: float, color: Color) -> None:
    for _ in range(int(rng.integers(3, 8))):
        x, w = rng.uniform(0, wide), rng.uniform(0.004, 0.012) * wide
        draw.rectangle((x, 0, x + w, bottom), fill=color)


def _plaza(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    draw.rectangle((0, 0, wide, horizon), fill=(176, 182, 186))
    _blocks(draw, rng, wide, horizon, ("gray", "white", "brown"))
    _ground(draw, wide, tall, horizon, (158, 150, 142), (186, 176, 164))
    _tiles(draw, wide, tall, horizon, (136, 126, 118), tall * 0.22)
    _bicycles(draw, rng, wide, horizon * 1.08, tall * 0.045)


def _lawn(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    draw.rectangle((0, 0, wide, horizon), fill=(196, 212, 220))
    _bushes(draw, rng, wide, horizon, tall * 0.16)
    _ground(draw, wide, tall, horizon, (82, 118, 62), (112, 148, 80))
    path = horizon + (tall - horizon) * rng.uniform(0.35, 0.5)
    draw.rectangle((0, path, wide, tall), fill=(172, 164, 150))
    _poles(draw, rng, wide, horizon, (84, 62, 46))


def _wall(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    line = horizon + (tall - horizon) * 0.4
    brick = tint(pick(rng, "brown", "red"), 0.85)
    draw.rectangle((0, 0, wide, line), fill=brick)
    step = tall * 0.035
    for row, y in enumerate(np.arange(0, line, step)):
        draw.line((0, y, wide, y), fill=tint(brick, 0.75), width=1)
        for x in np.arange((row % 2) * step, wide, 2.2 * step):
            draw.line((x, y, x, y + step), fill=tint(brick, 0.75), width=1)
    for _ in range(7):
        x, w = rng.uniform(0, wide), tall * rng.uniform(0.2, 0.4)
        draw.rectangle((x, line * 0.25, x + w, line), fill=pick(rng, "black", "green", "gray"))
    _ground(draw, wide, tall, line, (118, 112, 108), (144, 138, 132))
    _tiles(draw, wide, tall, line, (104, 98, 94), tall * 0.3)


def _street(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    _blocks(draw, rng, wide, horizon, ("brown", "gray", "yellow"))
    _ground(draw, wide, tall, horizon, (78, 80, 86), (98, 100, 106))
    for _ in range(8):
        x, w = rng.uniform(0, wide), tall * rng.uniform(0.5, 0.7)
        color, base = pick(rng, "white", "gray", "black", "red", "blue"), horizon * 1.15
        draw.rounded_rectangle((x, base - w * 0.26, x + w, base), 6, fill=color)
        draw.rounded_rectangle((x + w * 0.2, base - w * 0.42, x + w * 0.8, base - w * 0.2), 6, fill=tint(color, 0.5))
        for dx in (0.22, 0.78):
            draw.ellipse((x + w * dx - 9, base - 9, x + w * dx + 9, base + 9), fill=(20, 20, 22))
    kerb = horizon + (tall - horizon) * 0.45
    draw.rectangle((0, kerb, wide, tall), fill=(150, 148, 146))
    draw.line((0, kerb, wide, kerb), fill=(204, 202, 196), width=5)


def _glass(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    line = horizon + (tall - horizon) * 0.3
    draw.rectangle((0, 0, wide, line), fill=(58, 66, 76))
    step = tall * 0.3
    for x in np.arange(0, wide, step):
        draw.rectangle((x + 4, 6, x + step - 8, line - 8), fill=tint((74, 92, 108), float(rng.uniform(0.5, 1.25))))
        if rng.random() < 0.5:
            draw.rectangle(
                (x + step * 0.3, line * 0.5, x + step * 0.6, line - 8),
                fill=pick(rng, "red", "yellow", "white"),
            )
    _ground(draw, wide, tall, line, (188, 192, 196), (214, 216, 218))
    _tiles(draw, wide, tall, line, (170, 174, 180), tall * 0.4)


def _shade(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    draw.rectangle((0, 0, wide, horizon), fill=(46, 50, 48))
    _poles(draw, rng, wide, horizon * 1.2, (90, 92, 96))
    _bushes(draw, rng, wide, horizon, tall * 0.1)
    _ground(draw, wide, tall, horizon, (84, 76, 70), (112, 100, 92))
    for _ in range(40):
        x, y, r = rng.uniform(0, wide), rng.uniform(horizon, tall), tall * rng.uniform(0.02, 0.1)
        draw.ellipse((x - 2 * r, y - 0.5 * r, x + 2 * r, y + 0.5 * r), fill=(142, 130, 112))
    _bicycles(draw, rng, wide, horizon * 1.2, tall * 0.05)


# Roads: what vehicles stand on.


def _lanes(draw: ImageDraw.ImageDraw, wide: int, tall: int, horizon: float, color: Color, dashed: bool) -> None:
    """Lane markings across the picture, wider apart and thicker towards the camera."""
    for share in (0.12, 0.34, 0.66, 0.95):
        y, thick = horizon + (tall - horizon) * share, 2 + round(5 * share)
        if not dashed or share > 0.9:
            draw.rectangle((0, y, wide, y + thick), fill=color)
            continue
        step = tall * (0.2 + 0.35 * share)
        for x in np.arange(0, wide, step):
            draw.rectangle((x, y, x + 0.55 * step, y + thick), fill=color)


def _cracks(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float, color: Color
) -> None:
    for _ in range(26):
        x, y, r = rng.uniform(0, wide), rng.uniform(horizon, tall), tall * rng.uniform(0.02, 0.09)
        draw.ellipse(
            (x - 3 * r, y - 0.35 * r, x + 3 * r, y + 0.35 * r), fill=tint(color, float(rng.uniform(0.82, 1.12)))
        )


def _avenue(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    _blocks(draw, rng, wide, horizon, ("gray", "white", "brown"))
    _bushes(draw, rng, wide, horizon, tall * 0.09)
    _ground(draw, wide, tall, horizon, (96, 98, 102), (122, 122, 124))
    _cracks(draw, rng, wide, tall, horizon, (110, 110, 112))
    _lanes(draw, wide, tall, horizon, (206, 204, 196), True)


def _crossing(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    _blocks(draw, rng, wide, horizon, ("brown", "yellow", "gray"))
    _ground(draw, wide, tall, horizon, (82, 84, 90), (104, 104, 108))
    top, bottom, step = horizon + (tall - horizon) * 0.3, horizon + (tall - horizon) * 0.62, tall * 0.16
    for x in np.arange(0, wide, step):
        draw.polygon(
            [(x, top), (x + 0.5 * step, top), (x + 0.7 * step, bottom), (x + 0.1 * step, bottom)], fill=(214, 212, 204)
        )
    _poles(draw, rng, wide, horizon, (70, 72, 74))


def _tunnel(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    line = horizon + (tall - horizon) * 0.15
    draw.rectangle((0, 0, wide, line), fill=(66, 62, 56))
    step = tall * 0.35
    for x in np.arange(0, wide, step):
        draw.line((x, 0, x, line), fill=(46, 44, 42), width=3)
        draw.rectangle((x + 0.3 * step, line * 0.15, x + 0.7 * step, line * 0.25), fill=(226, 196, 130))
    draw.rectangle((0, line * 0.82, wide, line), fill=(150, 146, 136))
    _ground(draw, wide, tall, line, (62, 58, 54), (92, 86, 78))
    _lanes(draw, wide, tall, line, (186, 170, 120), False)


def _country(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    draw.rectangle((0, 0, wide, horizon), fill=(186, 204, 218))
    _bushes(draw, rng, wide, horizon, tall * 0.2)
    _ground(draw, wide, tall, horizon, (98, 122, 66), (118, 140, 78))
    road = horizon + (tall - horizon) * rng.uniform(0.08, 0.25)
    _ground(draw, wide, tall, road, (120, 112, 104), (148, 140, 130))
    _cracks(draw, rng, wide, tall, road, (132, 124, 114))


def _lot(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    _street(draw, rng, wide, tall, horizon)
    _ground(draw, wide, tall, horizon * 1.2, (136, 130, 122), (164, 156, 146))
    step = tall * 0.55
    for x in np.arange(-wide * 0.2, wide * 1.2, step):
        draw.line((x, tall, x + step * 0.35, horizon * 1.25), fill=(226, 222, 210), width=5)


def _bridge(draw: ImageDraw.ImageDraw, rng: np.random.Generator, wide: int, tall: int, horizon: float) -> None:
    draw.rectangle((0, 0, wide, horizon), fill=(160, 182, 200))
    draw.rectangle((0, horizon * 0.55, wide, horizon), fill=(92, 122, 136))
    step = tall * 0.12
    for x in np.arange(0, wide, step):
        draw.line((x, horizon * 0.6, x, horizon * 1.1), fill=(94, 100, 106), width=4)
    draw.line((0, horizon * 0.62, wide, horizon * 0.62), fill=(94, 100, 106), width=6)
    _ground(draw, wide, tall, horizon, (150, 152, 156), (174, 174, 176))
    _lanes(draw, wide, tall, horizon, (232, 190, 70), True)


SCENES: dict[str, Callable[[ImageDraw.ImageDraw, np.random.Generator, int, int, float], None]] = {
    "plaza": _plaza,
    "lawn": _lawn,
    "wall": _wall,
    "street": _street,
    "glass": _glass,
    "shade": _shade,
    "avenue": _avenue,
    "crossing": _crossing,
    "tunnel": _tunnel,
    "country": _country,
    "lot": _lot,
    "bridge": _bridge,
}
"""Name of a place -> the function that paints it: (draw, random generator, width, height, row of the horizon)."""
