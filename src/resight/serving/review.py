"""The page on which a person accepts or rejects each suspected junk image."""

from __future__ import annotations

import os
import re
import secrets
import threading
from typing import Literal, Self

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from starlette.responses import HTMLResponse, Response

from resight.errors import ImageError
from resight.serving.app import guarded
from resight.serving.limits import Limits
from resight.serving.metrics import Metrics
from resight.serving.pages import page
from resight.serving.pictures import encoded
from resight.serving.security import Gate, Given, Refusal
from resight.serving.server import listen, server
from resight.tasks.junk.review import Review

__all__ = ["ReviewServer", "review_app"]

_LIMITS = Limits(upload=0, json=1_000, rate=0, shutdown_seconds=2)
"""One person's requests: a page shows a picture of every suspect."""


class Decision(BaseModel):
    """What a person says of one suspect."""

    model_config = ConfigDict(strict=True, extra="forbid")

    position: int
    decision: Literal["accepted", "rejected"] | None


class Suspect(BaseModel):
    """A suspect as the page shows it."""

    name: str
    score: float
    decision: str | None


class State(BaseModel):
    """The whole review."""

    folder: str
    suspects: list[Suspect]


class ReviewServer:
    """Serves the review of one scan on 127.0.0.1 and nowhere else, from its making on.

    >>> with ReviewServer(Review.open("suspects")) as server:
    ...     print(server.url)
    ...     server.serve_forever()

    Images are addressed by their place in the list, never by a path, and are encoded anew before they are sent. Raises
    OptionError for a port that cannot be had.
    """

    def __init__(self, review: Review, port: int = 0) -> None:
        self.review = review
        self.socket = listen("127.0.0.1", port)
        self.gate = Gate(self.socket.getsockname()[1])
        self._server = server(review_app(review, self.gate), _LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    @property
    def url(self) -> str:
        """The address to open, with its token."""
        return self.gate.url

    def serve_forever(self) -> None:
        """Answer until `shutdown`, or until Ctrl-C, which is raised as KeyboardInterrupt."""
        self._server.run([self.socket])

    def shutdown(self) -> None:
        """End `serve_forever`, which another thread runs."""
        self._server.should_exit = True


def review_app(review: Review, gate: Gate) -> FastAPI:
    """The application of one review, whose page stands below the gate's token."""

    def check(method: str, target: str, headers: Given) -> Refusal | str:
        found = gate.check(method, target, headers)
        return Refusal(404, "no such page") if isinstance(found, str) and re.search(r"[?%]", found) else found

    app = guarded("resight junk review", check, _LIMITS, Metrics())
    below, turn = f"/{gate.token}", threading.Lock()

    @app.get(f"{below}/", response_class=HTMLResponse)
    def home() -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = f"default-src 'none'; img-src 'self'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        text = page("review.html").replace("NONCE", nonce)
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    @app.get(f"{below}/state")
    def state() -> State:
        with turn:
            suspects = [
                Suspect(name=os.path.basename(one.path), score=one.score, decision=review.decision(place))
                for place, one in enumerate(review.suspects)
            ]
        return State(folder=str(review.folder), suspects=suspects)

    @app.post(f"{below}/decide")
    def decide(said: Decision) -> dict[str, str]:
        try:
            with turn:
                review.decide(said.position, said.decision)
        except OSError as error:
            raise HTTPException(500, f"the decision could not be written: {error.strerror or error}") from None
        return {}

    @app.get(below + "/{size}/{place:int}.jpg", response_class=Response)
    def image(size: Literal["small", "large"], place: int) -> Response:
        if place >= len(review.suspects):
            raise HTTPException(404, "no such image")
        try:
            return Response(encoded(review.suspects[place].path, size), media_type="image/jpeg")
        except ImageError:  # its words name the file
            raise HTTPException(404, "the image cannot be read") from None

    return app
