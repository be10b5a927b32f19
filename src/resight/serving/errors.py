"""Errors as answers: one line of JSON, which holds nothing that was sent."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from resight.errors import BusyError, DataError, OptionError, ResightError

__all__ = ["answer_errors"]


def answer_errors(app: FastAPI) -> None:
    """Answer what the app raises: 400 for what DataError says, 409 for what OptionError says, 422 for a wrong form, 503 where too much waits.

    What else is wrong with a gallery is 503 too, and told in the log alone.
    """
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _form)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(DataError, _data)
    app.add_exception_handler(OptionError, _option)
    app.add_exception_handler(ResightError, _state)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)


def _form(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # "body" and the names below it; no value is repeated, which could be anything.
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"detail": _plain(f"{place}: {first['msg']}")}, 422)


def _data(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": _plain(str(error))}, 400)


def _option(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": _plain(str(error))}, 409)


def _state(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with the gallery or its run: not the client's mistake, and its words may name the server's folders."""
    request.scope["resight.fault"] = str(error)
    return JSONResponse({"detail": "the gallery cannot answer; the server's log says why"}, 503, {"Retry-After": "5"})


def _busy(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "too many images wait; try again in 1 s"}, 503, {"Retry-After": "1"})


def _plain(text: str) -> str:
    """Without what UTF-8 cannot hold, which JSON can smuggle in, and not endless."""
    return text.encode("utf-8", "replace").decode()[:500]
