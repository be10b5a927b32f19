"""reid_config.json: what one must know of an exported file to use it. It is written beside the file and into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from resight.errors import RunError
from resight.recipe import ImageOptions, Recipe, RetrievalOptions
from resight.records import NO_ATTRIBUTES, AttributeSchema

__all__ = ["CONFIG", "INPUTS", "Preprocessing", "ReidConfig"]

CONFIG = "reid_config.json"
"""The name that Roboflow's trackers read; `preprocessing` has their keys and two more, `resize_mode` and `pad_value`."""

INPUTS = Literal["float32 NCHW", "uint8 NHWC"]
"""What a file's input `images` takes: images as the network reads them, or pixels, which the file prepares itself."""

_EXAMPLE = (
    '{"preprocessing": {"input_size": [256, 128], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}, '
    '"distance": "cosine"}'
)
_Side = Annotated[int, Field(ge=1)]
_Colour = tuple[float, float, float]


class _Facts(BaseModel):
    # Others' files say more than is read here, such as where the weights are.
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Preprocessing(_Facts):
    """What is done to an image before the network, and to its embedding after it."""

    input_size: tuple[_Side, _Side]
    """Height and width in pixels."""
    mean: _Colour
    """In [0, 1], like `std` in the order of the channels that the network reads."""
    std: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat, pydantic.PositiveFloat]
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    """The first two antialiased."""
    to_rgb: bool = True
    """Whether the network reads RGB; else BGR, as OpenCV has it."""
    normalize_embeddings: bool = True
    """Whether embeddings are brought to length one before they are compared. The file itself does not."""
    resize_mode: Literal["squash", "letterbox"] = "squash"
    pad_value: tuple[int, int, int] | None = None
    """RGB of the bars of a letterbox; null without bars."""


class ReidConfig(_Facts):
    """A file's facts, as JSON has them."""

    preprocessing: Preprocessing
    distance: Literal["cosine", "euclidean", "attribute-weighted"]
    """What compares embeddings."""
    architecture: str = "unknown"
    input: INPUTS = "float32 NCHW"
    dimension: int | None = None
    """Length of an embedding."""
    flip: bool = False
    """Whether an embedding is the mean of those of the image and its mirror image; the file sees one image at a time."""
    attributes: dict[str, list[str]] = {}
    """Attribute -> classes, whose probabilities the file gives beside the embedding for a distance that weighs them."""
    drop_junk: bool = False
    protocol: str | None = None
    depth: int | None = None
    licence: str | None = None
    """Of the weights, in the words of the one who imported them."""
    origin: str | None = None
    """Where imported weights came from."""
    origin_sha256: str | None = None
    """SHA-256 of the file that they were imported from."""
    recipe: str | None = None
    """SHA-256 of the run's recipe.yaml."""
    calibration: dict[str, Any] | None = None
    """What `resight calibrate` made of the run: from the score of a pair to the probability of the same individual."""
    parameters: int | None = None
    multiply_adds: int | None = None
    """For one image."""

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str | Path) -> Self:
        """Check the facts that `source` states. Raises RunError that names those missing and how to give them."""
        given = dict(values)
        preprocessing = given.get("preprocessing")
        if "distance" not in given and isinstance(preprocessing, Mapping) and "normalize_embeddings" in preprocessing:
            given["distance"] = "cosine" if preprocessing["normalize_embeddings"] else "euclidean"
        try:
            return cls.model_validate(given)
        except pydantic.ValidationError as error:
            missing = [".".join(map(str, one["loc"])) for one in error.errors() if one["type"] == "missing"]
            if missing:
                raise RunError(
                    f"{source} does not say {', '.join(missing)}; write them into {CONFIG} beside it, such as {_EXAMPLE}"
                ) from None
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise RunError(
                f"{source}: {key} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
            ) from None

    @classmethod
    def of(cls, recipe: Recipe, schema: AttributeSchema = NO_ATTRIBUTES, **others: Any) -> Self:
        """The facts that a run's recipe and its attributes state; `others` are those that they do not."""
        image, retrieval = recipe.image, recipe.retrieval
        letterbox = image.resize == "letterbox"
        preprocessing = {
            "input_size": (image.height, image.width),
            "mean": _ordered(image.mean, image.colours == "rgb"),
            "std": _ordered(image.std, image.colours == "rgb"),
            "interpolation": image.interpolation,
            "to_rgb": image.colours == "rgb",
            "normalize_embeddings": retrieval.metric == "cosine",
            "resize_mode": image.resize,
            "pad_value": _mean_colour(image.mean) if letterbox else None,
        }
        weighed = retrieval.metric == "attribute-weighted"
        return cls.model_validate(
            {
                "preprocessing": preprocessing,
                "distance": retrieval.metric,
                **retrieval.model_dump(include={"flip", "drop_junk", "protocol", "depth"}),
                "attributes": {name: list(values) for name, values in schema.classes.items()} if weighed else {},
                "recipe": hashlib.sha256(recipe.to_yaml().encode()).hexdigest(),
                **others,
            }
        )

    def to_json(self) -> str:
        """As reid_config.json has it."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    def to_recipe(self, source: str | Path) -> Recipe:
        """A recipe that says how images are prepared and embeddings compared; there is nothing to train by it.

        Raises RunError when the facts ask for something that resight cannot do.
        """
        told = self.preprocessing
        mean = _ordered(told.mean, told.to_rgb)
        if told.resize_mode == "letterbox" and told.pad_value not in (None, _mean_colour(mean)):
            raise RunError(f"{source}: pad_value = {told.pad_value}: resight fills up with the mean colour alone")
        nothing = {"name": "exported"}
        return Recipe(
            system=nothing,
            epochs=1,
            sampler=nothing,
            model={"name": self.architecture},
            losses={},
            optimiser=nothing,
            schedule=nothing,
            image=_image(
                {
                    "height": told.input_size[0],
                    "width": told.input_size[1],
                    "mean": mean,
                    "std": _ordered(told.std, told.to_rgb),
                    "resize": told.resize_mode,
                    "interpolation": told.interpolation,
                    "colours": "rgb" if told.to_rgb else "bgr",
                },
                source,
            ),
            retrieval=RetrievalOptions(
                metric=self.distance,
                flip=self.flip,
                drop_junk=self.drop_junk,
                protocol=self.protocol,
                depth=self.depth,
            ),
        )

    @property
    def attribute_schema(self) -> AttributeSchema:
        """The attributes whose probabilities the file gives."""
        return AttributeSchema({name: tuple(values) for name, values in self.attributes.items()})


def _image(options: dict[str, Any], source: str | Path) -> ImageOptions:
    try:
        return ImageOptions(**options)
    except pydantic.ValidationError as error:
        raise RunError(f"{source}: {error.errors()[0]['msg']}") from None


def _ordered(colour: _Colour, rgb: bool) -> _Colour:
    """From RGB to the order of the network's channels, or back."""
    first, second, third = colour
    return colour if rgb else (third, second, first)


def _mean_colour(mean: _Colour) -> tuple[int, ...]:
    return tuple(round(255 * share) for share in mean)
