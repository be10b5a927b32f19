"""Cameras: where each looks, from which angle, in which light, and how good its pictures are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from resight.synthetic.palette import Color, pick, shade, tint
from resight.synthetic.randomness import Stream, random_stream

__all__ = ["Camera", "backdrop", "expose", "sample_camera"]

_PLACES = ("plaza", "lawn", "wall", "street", "glass", "shade")
_ROADS = ("avenue", "crossing", "tunnel", "country", "lot", "bridge")


@dataclass(frozen=True, slots=True)
class Camera:
    """What stays the same about one camera. Angles in radians."""

    number: int
    place: str
    seed: int
    heading: float
    """The way most subjects face: 0 the camera, π away, ±π/2 across the picture."""
    heading_spread: float
    pitch: float
    """How steeply it looks down."""
    perspective: float
    """How much larger near things are than far ones."""
    shear: float
    stretch: float
    light_side: int
    light: float
    """Strength of the light's gradient across the picture."""
    gain: tuple[float, float, float]
    """Colour cast: a factor per channel."""
    gamma: float
    contrast: float
    haze: float
    blur: float
    """Standard deviation of the lens's blur, in thousandths of the picture's height."""
    detail: float
    """Resolution that the camera really has, as a share of the picture's."""
    noise: float
    """Standard deviation of the sensor noise, in grey levels."""
    quality: int
    """JPEG quality."""


def sample_camera(seed: int, number: int, kind: str = "people", difficulty: float = 1.0) -> Camera:
    """Camera `number` (from 1) of a dataset. `difficulty` scales how far its colours and optics stray."""
    rng = random_stream(seed, Stream.CAMERA, number)
    places = _PLACES if kind == "people" else _ROADS
    start = int(random_stream(seed, Stream.CAMERA, 0).integers(len(places)))
    # Headings go round the compass so that few cameras already show every side.
    heading = (number * 2.399 + float(rng.normal(0, 0.25))) % (2 * math.pi)
    warmth, green = rng.normal(0, 0.065 * difficulty), rng.normal(0, 0.025 * difficulty)
    return Camera(
        number=number,
        place=places[(start + number) % len(places)],
        seed=seed,
        heading=heading,
        heading_spread=0.3,
        pitch=float(rng.uniform(0.04, 0.4)),
        perspective=float(rng.uniform(0.0, 0.22)),
        shear=float(rng.normal(0, 0.03)),
        stretch=float(rng.uniform(1.3, 1.55)),
        light_side=1 if rng.random() < 0.5 else -1,
        light=float(rng.uniform(0.0, 0.25) * difficulty),
        gain=(float(math.exp(warmth)), float(math.exp(green)), float(math.exp(-warmth))),
        gamma=float(math.exp(rng.normal(0, 0.13 * difficulty))),
        contrast=float(np.clip(rng.normal(0.97, 0.08 * difficulty), 0.65, 1.2)),
        haze=float(rng.uniform(0, 15) * difficulty),
        blur=float(rng.uniform(0.0, 4.5) * difficulty),
        detail=float(rng.choice((1.0, 0.8, 0.6)) if difficulty > 0 else 1.0),
        noise=float(rng.uniform(1.0, 4.0) * difficulty),
        quality=int(rng.choice((95, 90, 82))),
    )


def backdrop(camera: Camera, height: int) -> Image.Image:
    """The scene a camera looks at, as an RGB picture 1.4 times `height` tall and 4 times wide."""
    tall, wide = round(1.4 * height), 4 * height
    rng = random_stream(camera.seed, Stream.BACKDROP, camera.number)
    image = Image.new("RGB", (wide, tall))
    draw = ImageDraw.Draw(image)
    horizon = tall * float(np.clip(0.42 - 0.7 * (camera.pitch - 0.2) + rng.normal(0, 0.03), 0.12, 0.6))
    _SCENES[camera.place](draw, rng, wide, tall, horizon)
    image = image.filter(ImageFilter.GaussianBlur(height / 160))
    pixels = np.asarray(image, np.float32)
    coarse = Image.fromarray(rng.integers(0, 255, (12, 40), np.uint8)).resize((wide, tall), Image.Resampling.BICUBIC)
    fine = rng.normal(0, 5, (tall, wide, 1)).astype(np.float32)
    # Streets are greyer than clothes, and exposure meters bring them all to about the same level.
    grey = pixels.mean(2, keepdims=True)
    pixels = grey + (pixels - grey) * 0.45
    pixels *= 1 + 0.75 * (128 / pixels.mean() - 1)
    pixels = pixels * (0.86 + np.asarray(coarse, np.float32)[..., None] / 255 * 0.28) + fine
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def expose(
    camera: Camera, picture: Image.Image, size: tuple[int, int], exposure: float, grain: int
) -> NDArray[np.uint8]:
    """What the camera records of a scene drawn at a multiple of `size` (height, width): uint8 `[h, w, 3]`."""
    height, width = size
    if camera.detail < 1.0:
        small = (max(8, round(width * camera.detail)), max(8, round(height * camera.detail)))
        picture = picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BILINEAR)
    else:
        picture = picture.resize((width, height), Image.Resampling.BOX)
    sigma = camera.blur * height / 1000
    if sigma > 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(sigma))
    pixels = _tone(camera, exposure)[np.asarray(picture), np.arange(3)]  # (h, w, 3)
    slope = np.linspace(-1, 1, width, dtype=np.float32) * camera.light * camera.light_side
    pixels *= (1 + slope)[None, :, None]
    rng = np.random.Generator(np.random.SFC64(grain))
    pixels += rng.standard_normal((height, width, 1), np.float32) * camera.noise
    return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)


def _tone(camera: Camera, exposure: float) -> NDArray[np.float32]:
    """The response of each channel to each of the 256 levels: `[256, 3]`."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[:, None] ** camera.gamma
    levels = (levels - 0.5) * camera.contrast + 0.5
    levels = levels * np.asarray(camera.gain, np.float32) * (1 + exposure) * 255
    return (levels * (1 - camera.haze / 255) + camera.haze).astype(np.float32)


# Scenes. Each paints a place from the horizon line down and up; what is random in it is the camera's.


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
            draw.rectangle((x + step * 0.3, line * 0.5, x + step * 0.6, line - 8), fill=pick(rng, "red", "yellow", "white"))
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


_SCENES = {
    "plaza": _plaza,
    "lawn": _lawn,
    "wall": _wall,
    "street": _street,
    "glass": _glass,
    "shade": _shade,
}
