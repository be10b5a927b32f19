"""The page on which a person accepts or rejects each suspected junk image."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

from PIL import Image

from resight.data.images import read_image
from resight.errors import DataError, ImageError
from resight.serving.security import HEADERS, Gate, Refusal
from resight.tasks.junk.review import Review

__all__ = ["ReviewServer"]

_MOST_BYTES = 1_000
_SIDES = {"small": 160, "large": 640}
_IMAGE = re.compile(r"(small|large)/(\d{1,9})\.jpg", re.ASCII)


class ReviewServer(ThreadingHTTPServer):
    """Serves the review of one scan on 127.0.0.1 and nowhere else.

    >>> with ReviewServer(Review.open("suspects")) as server:
    ...     print(server.url)
    ...     server.serve_forever()

    Images are addressed by their place in the list, never by a path, and are encoded anew before they are sent.
    """

    daemon_threads = True

    def __init__(self, review: Review, port: int = 0) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise DataError(f"port {port} cannot be used ({error}); choose another with --port") from None
        self.review, self.lock = review, threading.Lock()
        self.gate = Gate(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, as a browser does when its page is left, is no fault of ours; others are shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """The address to open, with its token."""
        return self.gate.url


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    # Seconds after which a silent connection is closed.
    timeout = 30

    def do_GET(self) -> None:
        path = self._allowed()
        if path is None:
            return
        if path == "":
            self._page()
        elif path == "state":
            self._send(200, "application/json", json.dumps(self._state()).encode())
        elif (named := _IMAGE.fullmatch(path)) and int(named[2]) < len(self.server.review.suspects):
            self._image(self.server.review.suspects[int(named[2])].path, _SIDES[named[1]])
        else:
            self._refuse(Refusal(404, "no such page"))

    def do_POST(self) -> None:
        path = self._allowed()
        if path is None:
            return
        if path != "decide":
            self._refuse(Refusal(404, "no such page"))
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 < length <= _MOST_BYTES:
                raise ValueError
            told = json.loads(self.rfile.read(length))
            position, decision = told["position"], told["decision"]
            if type(position) is not int or not isinstance(decision, str | None):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            self._refuse(Refusal(400, 'expected {"position": number, "decision": "accepted", "rejected" or null}'))
            return
        try:
            with self.server.lock:
                self.server.review.decide(position, decision)
        except DataError as error:
            self._refuse(Refusal(400, str(error)))
        except OSError as error:
            self._refuse(Refusal(500, f"the decision could not be written: {error.strerror or error}"))
        else:
            self._send(200, "application/json", b"{}")

    def _allowed(self) -> str | None:
        """The path below the token; None when the request has been refused."""
        checked = self.server.gate.check(self.command, self.path, self.headers)
        if isinstance(checked, Refusal):
            self._refuse(checked)
            return None
        return checked

    def _state(self) -> dict[str, object]:
        review = self.server.review
        with self.server.lock:
            return {
                "folder": str(review.folder),
                "suspects": [
                    {"name": os.path.basename(one.path), "score": one.score, "decision": review.decision(place)}
                    for place, one in enumerate(review.suspects)
                ],
            }

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = f"default-src 'none'; img-src 'self'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        page = _template().replace("NONCE", nonce).encode()
        self._send(200, "text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    def _image(self, path: str, side: int) -> None:
        try:
            picture = Image.fromarray(read_image(path))
        except ImageError:
            self._refuse(Refusal(404, "the image cannot be read"))
            return
        picture.thumbnail((side, side))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        self._send(200, "image/jpeg", file.getvalue())

    def _refuse(self, refusal: Refusal) -> None:
        self._send(refusal.status, "text/plain; charset=utf-8", refusal.reason.encode() + b"\n")

    def _send(self, status: int, kind: str, body: bytes, further: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(further or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "resight"

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: each line would hold the address with its token."""


@functools.cache
def _template() -> str:
    return (resources.files("resight.serving") / "templates" / "review.html").read_text(encoding="utf-8")
