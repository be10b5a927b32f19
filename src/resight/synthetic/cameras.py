"""Cameras: where each looks, from which angle, in which light, and how good its pictures are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from resight.synthetic.randomness import Stream, random_stream
from resight.synthetic.scenes import SCENES

__all__ = ["Camera", "backdrop", "expose", "sample_camera"]

_SITES: dict[str, tuple[tuple[str, ...], tuple[float, float]]] = {
    "people": (("plaza", "lawn", "wall", "street", "glass", "shade"), (0.04, 0.4)),
    "vehicles": (("avenue", "crossing", "tunnel", "country", "lot", "bridge"), (0.1, 0.5)),
}
"""Kind of subject -> where its cameras stand, and the least and greatest angle at which they look down."""


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
    """How much larger near parts are drawn than far ones."""
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
    """Camera `number` (from 1) of a dataset. `difficulty` scales the faults of its colours and optics."""
    rng = random_stream(seed, Stream.CAMERA, number)
    places, pitches = _SITES[kind]
    start = int(random_stream(seed, Stream.CAMERA, 0).integers(len(places)))
    # Headings go around the compass, so that even a few cameras show every side.
    heading = (number * 2.399 + float(rng.normal(0, 0.25))) % (2 * math.pi)
    if kind == "vehicles":
        # These cameras stand beside the road: they see a flank with more of the front or more of the rear.
        heading = (math.pi / 2 + 0.8 * math.sin(heading)) * (1 if number % 2 else -1)
    warmth, green = rng.normal(0, 0.065 * difficulty), rng.normal(0, 0.025 * difficulty)
    return Camera(
        number=number,
        place=places[(start + number) % len(places)],
        seed=seed,
        heading=heading,
        heading_spread=0.3,
        pitch=float(rng.uniform(*pitches)),
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
    SCENES[camera.place](draw, rng, wide, tall, horizon)
    image = image.filter(ImageFilter.GaussianBlur(height / 160))
    pixels: NDArray[np.floating] = np.asarray(image, np.float32)
    coarse = Image.fromarray(rng.integers(0, 255, (12, 40), np.uint8)).resize((wide, tall), Image.Resampling.BICUBIC)
    fine = rng.normal(0, 5, (tall, wide, 1)).astype(np.float32)
    # Streets are greyer than clothes, and automatic exposure brings all of them to about the same brightness.
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
