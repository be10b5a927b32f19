"""The addresses below /api/v1, and those that watch the server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Path, Query, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from resight.errors import DataError, ImageError
from resight.serving.pictures import encoded
from resight.serving.schemas import About, Facets, Facts, Found, Ids, Marked, Options, Stay, Updated
from resight.serving.service import Service

__all__ = ["BASE", "gallery_routes", "watching_routes"]

BASE = "/api/v1"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "What was asked for cannot be done; `detail` says why"},
    401: {"description": "A token is needed"},
    409: {"description": "The gallery has not what was asked for; `detail` says what"},
    413: {"description": "The request is too large"},
    429: {"description": "Too many requests of one client; Retry-After says when to go on"},
    503: {"description": "Too much waits; Retry-After says when to go on"},
}


def watching_routes(service: Service) -> APIRouter:
    """Whether the server lives, whether it takes work, and what it counts."""
    router = APIRouter(tags=["watching"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answers as long as the process does."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "Not now"}})
    async def readyz() -> JSONResponse:
        """Whether a search would be taken now."""
        return JSONResponse({"ready": service.ready}, 200 if service.ready else 503)

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def gallery_routes(service: Service) -> APIRouter:
    """Searching a gallery, looking at what was found, and naming it."""
    router, answers = APIRouter(prefix=BASE, tags=["gallery"], responses=_REFUSALS), service.answers

    @router.get("/gallery")
    async def gallery() -> About:
        """The gallery as a whole: how many images, which columns."""
        return await service.do(answers.about)

    @router.post("/search")
    async def search(
        images: Annotated[list[UploadFile], File(description="Images of one individual.")] = [],  # noqa: B006
        options: Annotated[str, Form(max_length=50_000, description="How to search, as JSON: `Options`.")] = "{}",
    ) -> Found:
        """The images of the gallery nearest to those sent, best first."""
        if len(images) > service.limits.images:
            raise HTTPException(413, f"more than {service.limits.images} images; send the best of them")
        return await service.search([await image.read() for image in images], _options(options))

    @router.post("/facets")
    async def facets(asked: Facets) -> Facts:
        """How many images have each value of each column."""
        return await service.do(answers.facts, asked.where)

    @router.get(
        "/images/{id}",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 404: {"description": "No such image"}},
    )
    async def image(
        id: Annotated[int, Path(ge=0, lt=2**63)], size: Annotated[Literal["small", "large"], Query()] = "small"
    ) -> Response:
        """An image of the gallery, encoded anew."""
        record = await service.do(answers.record, id)
        if record is None:
            raise HTTPException(404, "no such image in this gallery")
        try:
            return Response(await service.do(encoded, record.path, size), media_type="image/jpeg")
        except ImageError:  # its words name the file
            raise HTTPException(404, "the image's file cannot be read any more") from None

    @router.get("/timeline")
    async def timeline(
        identity: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
        name: Annotated[str | None, Query(max_length=200)] = None,
    ) -> list[Stay]:
        """Where an individual of known identity or name was seen, in the order of time."""
        if (identity is None) == (name is None):
            raise HTTPException(422, "give an identity or a name")
        of = (answers.of_identity, identity) if name is None else (answers.of_name, name)
        return await service.do(answers.timeline, await service.do(*of))

    @router.post("/timeline")
    async def timeline_of(asked: Ids) -> list[Stay]:
        """Where these images were taken, in the order of time."""
        return await service.do(answers.timeline, asked.ids)

    @router.patch("/items")
    async def mark(asked: Marked) -> Updated:
        """Give images a name or an identity."""
        return Updated(updated=await service.change(answers.mark, asked.ids, asked.name, asked.identity))

    @router.post("/export", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    async def export(asked: Ids) -> Response:
        """Images as a CSV file: their paths and what is known of them."""
        named = {"Content-Disposition": 'attachment; filename="resight.csv"'}
        return Response(await service.do(answers.export, asked.ids), headers=named, media_type="text/csv")

    return router


def _options(text: str) -> Options:
    try:
        return Options.model_validate_json(text)
    except ValidationError as error:
        found = [{**one, "loc": ("options", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None
    except ValueError as error:  # half of a pair of UTF-16
        raise DataError(f"options: {error}") from None
