"""A street: all cameras and subjects of one dataset, and the picture of any subject in any camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from resight.errors import DataError, did_you_mean
from resight.synthetic.cameras import Camera, backdrop, expose, sample_camera
from resight.synthetic.canvas import SUPERSAMPLING, Canvas, Point
from resight.synthetic.coachwork import draw_vehicle, vehicle_extent
from resight.synthetic.palette import tint
from resight.synthetic.people import Person, draw_person, sample_person
from resight.synthetic.randomness import Stream, random_stream
from resight.synthetic.shots import Obstacle, Shot, sample_shot
from resight.synthetic.vehicles import Vehicle, sample_vehicle

__all__ = ["JunkKind", "Kind", "Picture", "Street", "render_empty", "render_person", "render_vehicle"]

Kind = Literal["people", "vehicles"]
JunkKind = Literal["close", "beside", "empty"]
"""What is wrong with a picture: it shows a part of its subject only, lies half beside it, or shows no subject."""
Picture = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An image uint8 `[h, w, 3]` and its mask uint8 `[h, w]`: 255 where the subject is seen, 0 elsewhere."""

_STRANGERS = 1_000_000
"""Subject numbers from here on are passers-by without an identity."""


class Street:
    """Every picture of a dataset; each depends on the seed and its own numbers alone.

    >>> image, mask = Street("people", seed=0).picture(identity=7, camera=2, shot=0)
    >>> image.shape
    (128, 64, 3)
    """

    def __init__(
        self, kind: Kind = "people", seed: int = 0, size: tuple[int, int] | None = None, difficulty: float = 1.0
    ) -> None:
        """`size` is (height, width) in pixels, by default 128x64 for people and 96x128 for vehicles."""
        if kind not in _KINDS:
            raise DataError(f"unknown kind {kind!r}{did_you_mean(kind, _KINDS)}; known are {', '.join(_KINDS)}")
        self.kind, self.seed, self.difficulty = kind, seed, difficulty
        self.size = size or _KINDS[kind].size
        self._cameras: dict[int, Camera] = {}
        self._scenes: dict[int, Image.Image] = {}
        self._subjects: dict[int, Person | Vehicle] = {}

    def camera(self, number: int) -> Camera:
        """Camera `number`, from 1."""
        if number not in self._cameras:
            self._cameras[number] = sample_camera(self.seed, number, self.kind, self.difficulty)
        return self._cameras[number]

    def subject(self, identity: int) -> Person | Vehicle:
        """The person or vehicle of an identity (from 1)."""
        if identity not in self._subjects:
            sample = _KINDS[self.kind].sample
            self._subjects[identity] = sample(random_stream(self.seed, Stream.SUBJECT, identity))
        return self._subjects[identity]

    def person(self, identity: int) -> Person:
        """The person of an identity. Raises DataError on a street of vehicles."""
        subject = self.subject(identity)
        if not isinstance(subject, Person):
            raise DataError(f"identity {identity} is no person: this street holds {self.kind}")
        return subject

    def vehicle(self, identity: int) -> Vehicle:
        """The vehicle of an identity. Raises DataError on a street of people."""
        subject = self.subject(identity)
        if not isinstance(subject, Vehicle):
            raise DataError(f"identity {identity} is no vehicle: this street holds {self.kind}")
        return subject

    def shot(self, identity: int, camera: int, shot: int) -> Shot:
        """Pose, crop and occlusion of one picture."""
        return sample_shot(
            self.camera(camera),
            random_stream(self.seed, Stream.TRACK, identity, camera),
            random_stream(self.seed, Stream.SHOT, identity, camera, shot),
            self.difficulty,
        )

    def picture(self, identity: int, camera: int, shot: int) -> Picture:
        """Picture `shot` (from 0) of an identity in a camera."""
        return self._render(identity, camera, self.shot(identity, camera, shot))

    def junk(self, number: int, identity: int, camera: int) -> Picture:
        """Junk picture `number`: it shows an identity badly (Market-1501's `-1`)."""
        rng = random_stream(self.seed, Stream.JUNK, number)
        return self._render(identity, camera, _miss(self.shot(identity, camera, 1000 + number), rng))

    def distractor(self, number: int, camera: int) -> Picture:
        """Distractor picture `number`: a passer-by, a part of one, or no subject at all (Market-1501's `0000`)."""
        rng = random_stream(self.seed, Stream.DISTRACTOR, number)
        stranger = _STRANGERS + number
        shot = self.shot(stranger, camera, 0)
        content = _distractor_content(rng)
        if content == "empty":
            return render_empty(self.camera(camera), shot, self.size, self._scene(camera))
        return self._render(stranger, camera, _miss(shot, rng) if content == "missed" else shot)

    def junk_kind(self, number: int) -> JunkKind:
        """What is wrong with junk picture `number`."""
        return _miss_kind(random_stream(self.seed, Stream.JUNK, number))

    def distractor_kind(self, number: int) -> JunkKind | None:
        """What is wrong with distractor picture `number`; None where it shows a passer-by well."""
        rng = random_stream(self.seed, Stream.DISTRACTOR, number)
        content = _distractor_content(rng)
        if content == "missed":
            return _miss_kind(rng)
        return "empty" if content == "empty" else None

    def _render(self, identity: int, camera: int, shot: Shot) -> Picture:
        render = _KINDS[self.kind].render
        return render(self.subject(identity), self.camera(camera), shot, self.size, self._scene(camera))

    def _scene(self, number: int) -> Image.Image:
        if number not in self._scenes:
            self._scenes[number] = backdrop(self.camera(number), SUPERSAMPLING * self.size[0])
        return self._scenes[number]


def render_person(
    person: Person,
    camera: Camera,
    shot: Shot,
    size: tuple[int, int] = (128, 64),
    scene: Image.Image | None = None,
) -> Picture:
    """Picture of a person: image uint8 `[h, w, 3]` and mask uint8 `[h, w]`.

    `size` is (height, width); `scene` is the camera's `backdrop`, made anew where it is not given (slow).
    """
    height, width = SUPERSAMPLING * size[0], SUPERSAMPLING * size[1]
    unit = 0.89 * height * shot.zoom * person.height**0.35
    stretch, slant = camera.stretch * 2 * width / height, camera.shear + shot.tilt
    middle, ground = (
        width * (0.5 + shot.shift_x),
        height * (0.955 + shot.shift_y) + (shot.zoom - 1) * 0.5 * height,
    )

    def place(x: float, y: float) -> Point:
        scale = unit * (1 + camera.perspective * (y - 0.5))
        return middle + x * scale * stretch + slant * y * unit, ground - y * unit

    figure = Canvas(width, height, place, unit, stretch)
    draw_person(figure, person, shot, camera.pitch, camera.light_side)
    return _compose(camera, shot, size, scene, figure.image, (middle, ground, 0.2 * unit, 0.025 * unit))


def render_vehicle(
    vehicle: Vehicle,
    camera: Camera,
    shot: Shot,
    size: tuple[int, int] = (96, 128),
    scene: Image.Image | None = None,
) -> Picture:
    """Picture of a vehicle that fills the frame as in a detector's box, from any side; see `render_person`."""
    height, width = SUPERSAMPLING * size[0], SUPERSAMPLING * size[1]
    perspective = 0.12 + camera.perspective
    left, right, low, high = vehicle_extent(vehicle, shot, camera.pitch, perspective)
    # All pictures have one shape: sides are narrowed and fronts widened to fill it, within limits.
    unit, across = 0.86 * height / (high - low), 0.9 * width / (right - left)
    unit = min(unit, 1.3 * across) * shot.zoom
    across = min(across * shot.zoom, 1.5 * unit)
    middle = width * (0.5 + shot.shift_x) - across * (left + right) / 2
    level = height * (0.5 + shot.shift_y) + unit * (low + high) / 2
    slant = camera.shear + shot.tilt

    def place(x: float, y: float) -> Point:
        return middle + x * across + slant * y * unit, level - y * unit

    figure = Canvas(width, height, place, unit, across / unit)
    draw_vehicle(figure, vehicle, shot, camera.pitch, camera.light_side, perspective)
    x, y = place((left + right) / 2, low + 0.14 * (high - low))
    return _compose(
        camera, shot, size, scene, figure.image, (x, y, 0.52 * across * (right - left), 0.16 * unit * (high - low))
    )


def render_empty(
    camera: Camera, shot: Shot, size: tuple[int, int] = (128, 64), scene: Image.Image | None = None
) -> Picture:
    """Picture of the place with no subject in it; its mask is empty."""
    layer = Image.new("RGBA", (SUPERSAMPLING * size[1], SUPERSAMPLING * size[0]))
    return _compose(camera, shot, size, scene, layer, None)


def _compose(
    camera: Camera,
    shot: Shot,
    size: tuple[int, int],
    scene: Image.Image | None,
    figure: Image.Image,
    shadow: tuple[float, float, float, float] | None,
) -> Picture:
    """Paint scene, shadow, subject and obstacle, then expose. `shadow` is an ellipse: centre x, y, radii in pixels."""
    width, height = figure.size
    scene = scene or backdrop(camera, height)
    left = round((shot.place % 1.0) * (scene.width - width))
    top = round((scene.height - height) * (0.5 + 2 * max(-0.25, min(0.25, shot.shift_y))))
    picture = scene.crop((left, top, left + width, top + height))
    if shadow is not None:
        x, y, rx, ry = shadow
        veil = Image.new("L", (width, height))
        lean = -camera.light_side * rx * 0.5
        ImageDraw.Draw(veil).ellipse((x - rx + lean, y - ry, x + rx + lean, y + ry), fill=110)
        picture.paste((24, 22, 26), (0, 0), veil)
    picture.paste(figure, (0, 0), figure)
    cover = figure.getchannel("A")
    if shot.obstacle is not None:
        _stand_before(picture, cover, shot.obstacle)
    image = expose(camera, picture, size, shot.exposure, shot.grain)
    mask = np.asarray(cover.resize((size[1], size[0]), Image.Resampling.BOX)) > 127
    return image, mask.astype(np.uint8) * 255


def _stand_before(picture: Image.Image, cover: Image.Image, obstacle: Obstacle) -> None:
    width, height = picture.size
    box = (obstacle.left * width, obstacle.top * height, obstacle.right * width, obstacle.bottom * height)
    for image, color, edge in (
        (picture, obstacle.color, tint(obstacle.color, 0.7)),
        (cover, 0, 0),
    ):
        draw = ImageDraw.Draw(image)
        if obstacle.kind == "bush":
            draw.ellipse(box, fill=color)
        else:
            draw.rectangle(box, fill=color, outline=edge, width=3)


def _distractor_content(rng: np.random.Generator) -> Literal["empty", "missed", "stranger"]:
    draw = rng.random()
    return "empty" if draw < 0.3 else "missed" if draw < 0.5 else "stranger"


def _miss_kind(rng: np.random.Generator) -> Literal["close", "beside"]:
    return "close" if rng.random() < 0.6 else "beside"


def _miss(shot: Shot, rng: np.random.Generator) -> Shot:
    """The shot with a badly placed crop."""
    if _miss_kind(rng) == "close":
        return replace(
            shot,
            zoom=float(rng.uniform(1.7, 2.8)),
            shift_x=float(rng.normal(0, 0.2)),
            shift_y=float(rng.uniform(-0.6, 0.6)),
        )
    return replace(shot, shift_x=float(rng.choice((-1, 1)) * rng.uniform(0.4, 0.6)), shift_y=float(rng.normal(0, 0.25)))


class _Genre(NamedTuple):
    """How a kind of subject is sampled and drawn, and the size of its pictures (height, width)."""

    sample: Callable[[np.random.Generator], Any]
    render: Callable[[Any, Camera, Shot, tuple[int, int], Image.Image | None], Picture]
    size: tuple[int, int]


_KINDS: dict[str, _Genre] = {
    "people": _Genre(sample_person, render_person, (128, 64)),
    "vehicles": _Genre(sample_vehicle, render_vehicle, (96, 128)),
}
