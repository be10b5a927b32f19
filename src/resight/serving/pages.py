"""The page's files, as they are installed: no template, nothing put into them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

__all__ = ["page", "serve_page"]

_FOLDER = Path(str(resources.files("resight.serving")))


def page(name: str) -> str:
    """The text of a page among the templates. Raises HTTPException (404) where it is not installed."""
    file = _FOLDER / "templates" / name
    if not file.is_file():
        raise HTTPException(404, f"{name} is not part of this installation")
    return file.read_text(encoding="utf-8")


def serve_page(app: FastAPI, name: str) -> None:
    """Serve a page at / and the files of `static` below /static/."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def home() -> HTMLResponse:
        return HTMLResponse(page(name))

    app.include_router(router)
    if (_FOLDER / "static").is_dir():
        app.mount("/static", StaticFiles(directory=_FOLDER / "static"))
