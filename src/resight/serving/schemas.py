"""What is asked and answered over HTTP, checked; the OpenAPI is made of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

__all__ = [
    "About",
    "Column",
    "Count",
    "Facets",
    "Facts",
    "Found",
    "Ids",
    "Marked",
    "Match",
    "Options",
    "Stay",
    "Updated",
    "Where",
]

_DEPTH, _VALUES, _LETTERS = 8, 1_000, 500


def _number(value: object) -> object:
    """Digits as the number that they are."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
    return int(value) if digits else value  # type: ignore[call-overload]


Id = Annotated[
    int,
    Field(strict=True, ge=0, lt=2**63),
    BeforeValidator(_number),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19}$"}),
]
"""A row of the gallery. Text in JSON: its 63 bits do not survive in a browser's numbers."""


def _bounded(value: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    """A filter of sensible size, all of which can be written down. Raises ValueError otherwise."""
    if value is not None and _size(value, _DEPTH) > _VALUES:
        raise ValueError(f"more than {_VALUES} values")
    return value


def _size(value: Any, depth: int) -> int:
    if not depth:
        raise ValueError(f"nested more than {_DEPTH} deep")
    if isinstance(value, dict):
        return sum(_size(key, depth - 1) + _size(part, depth - 1) for key, part in value.items())
    if isinstance(value, list):
        return 1 + sum(_size(part, depth - 1) for part in value)
    if isinstance(value, str):
        if len(value) > _LETTERS:
            raise ValueError(f"a text of more than {_LETTERS} characters")
        value.encode()  # UnicodeEncodeError, a ValueError, for half of a pair
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number of more than 63 bits")
    if isinstance(value, float) and not abs(value) < 1e300:
        raise ValueError("a number that is not finite")
    return 1


Where = Annotated[
    dict[str, JsonValue],
    AfterValidator(_bounded),
    Field(description='Columns and their values: {"camera": [1, 2], "upper_color": "red", "not": {…}, "or": [{…}]}.'),
]
Name = Annotated[str, Field(max_length=200)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Options(_Asked):
    """How to search."""

    k: int = Field(20, ge=1, le=1000, description="Hits at most.")
    where: Where | None = None
    how: Literal["auto", "exact", "ann"] = "auto"
    combine: Literal["mean", "best"] = Field("mean", description="Of several images: their mean, or the best of them.")
    expand: int = Field(0, ge=0, le=50, description="Neighbours that the query is expanded by.")
    rerank: bool = False
    camera: int | None = Field(
        None, ge=0, lt=2**31, description="The camera that took the images, for the probabilities of its own hits."
    )
    accept: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Probability below which nobody was found; refused where the gallery is not calibrated.",
    )
    right: list[Id] = Field([], max_length=200, description="Answers marked as right: the search goes on from them.")
    wrong: list[Id] = Field([], max_length=200, description="Answers marked as wrong.")


class Match(BaseModel):
    """An image of the gallery that was found."""

    id: Id
    score: float
    probability: float | None
    camera: int | None
    time: int | None = Field(description="Milliseconds, since 1970 where the clock is known.")
    tracklet: int | None
    identity: int | None
    name: str | None
    attributes: dict[str, str]
    sure: dict[str, float] = Field(description="Probabilities of the attributes that a model recognised.")
    file: str = Field(description="Name of the image's file, without its folder.")
    image: str = Field(description="Where its picture is.")


class Found(BaseModel):
    """Hits, best first."""

    hits: list[Match]
    nobody: bool = Field(description="Whether not one hit has the probability asked for in `accept`.")
    matching: int = Field(description="Images that `where` leaves.")
    took_ms: float = Field(description="Milliseconds from the images' arrival to the answer, with what was waited for.")
    embed_ms: float = Field(0, description="Those of them that decoding and the model took.")


class Column(BaseModel):
    name: str
    kind: str


class About(BaseModel):
    """A gallery."""

    count: int
    metric: str
    columns: list[Column]
    calibrated: bool
    model: str


class Facets(_Asked):
    where: Where | None = None


class Count(BaseModel):
    value: int | float | str | bool | None
    count: int


class Facts(BaseModel):
    """How many images have each value of a column, of those that `where` leaves; the most frequent first."""

    matching: int
    columns: dict[str, list[Count]]
    time: tuple[int, int] | None = Field(description="The first and the last time, in milliseconds.")


class Ids(_Asked):
    ids: list[Id] = Field(min_length=1, max_length=10_000)


class Stay(BaseModel):
    """Where an individual was seen, for how long, on which images."""

    camera: int | None
    start: int | None
    end: int | None
    ids: list[Id]


class Marked(_Asked):
    """A name or an identity for some images."""

    ids: list[Id] = Field(min_length=1, max_length=10_000)
    name: Name | None = None
    identity: int | None = Field(None, ge=1, lt=2**31)

    @model_validator(mode="after")
    def _says_something(self) -> Marked:
        if (self.name is None) == (self.identity is None):
            raise ValueError("give a name or an identity")
        return self


class Updated(BaseModel):
    updated: int
