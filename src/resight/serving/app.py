"""The application that serves a gallery: its routes, and around them what holds strangers off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from resight.gallery import Gallery
from resight.serving.answers import Answers
from resight.serving.errors import answer_errors
from resight.serving.limits import Bounds, Limits
from resight.serving.metrics import Metrics
from resight.serving.pages import serve_page
from resight.serving.routes import BASE, gallery_routes, watching_routes
from resight.serving.security import POLICY, Access, Given, Guard, Headed, Names, Refusal
from resight.serving.service import Service
from resight.serving.watch import Watch
from resight.version import __version__

__all__ = ["create_app", "guarded"]


def create_app(
    gallery: Gallery,
    access: Access | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> FastAPI:
    """The application for one gallery, whose model is loaded here.

    >>> create_app(Gallery.open("gallery"), Access(Names.of("127.0.0.1", 8765)))

    `access` says who may ask, by default this machine alone on port 8765; `tell` gets the lines of the log.
    """
    limits, metrics = limits or Limits(), Metrics()
    service = Service(Answers(gallery), limits, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    check = (access or Access(Names.of("127.0.0.1", 8765))).check
    app = guarded("resight", check, limits, metrics, lifespan, tell=tell, openapi=f"{BASE}/openapi.json")
    app.include_router(watching_routes(service))
    app.include_router(gallery_routes(service))
    serve_page(app, "gallery.html")
    return app


def guarded(
    title: str,
    check: Callable[[str, str, Given], Refusal | str],
    limits: Limits,
    metrics: Metrics,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    *,
    tell: Callable[[str], None] = lambda line: None,
    openapi: str | None = None,
    policy: str = POLICY,
) -> FastAPI:
    """An application without routes, behind every defence of this package, the outermost first.

    Each answer gets the security headers, is counted and told, is held to the limits, and must have passed `check`.
    """
    around = [
        Middleware(Headed, policy=policy),
        Middleware(Watch, metrics=metrics, tell=tell),
        Middleware(Bounds, limits=limits),
        Middleware(Guard, check=check),
    ]
    app = FastAPI(
        title=title,
        version=__version__,
        openapi_url=openapi,
        docs_url=None,  # it loads a script of another site
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=around,
    )
    answer_errors(app)
    return app
