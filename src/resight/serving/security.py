"""Access checks of a local page: its token, a request from the page itself, and this machine's own host name.

Every web site open in the same browser can send requests to 127.0.0.1. Three checks keep them out: a token that they
cannot guess, a Host header that a rebound DNS name cannot have, and an Origin that only the page itself has.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from email.message import Message

__all__ = ["HEADERS", "Gate", "Refusal"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The address holds the token: other sites must not get it, while our own requests keep their Origin.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Sent with every answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and its reason."""

    status: int
    reason: str


@dataclass(frozen=True)
class Gate:
    """Checks of a request to the page at http://127.0.0.1:port/token/."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def check(self, method: str, path: str, headers: Message) -> Refusal | str:
        """The path below the token, or why the request is refused."""
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        host = headers.get("Host", "")
        if host not in hosts:
            return Refusal(421, "this page answers to 127.0.0.1 alone")
        given, slash, rest = path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return Refusal(403, "open the address that the command printed; it holds a token")
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return Refusal(403, "requests from other sites are refused")
        if method != "GET":
            if headers.get("Origin", "") != f"http://{host}":
                return Refusal(403, "only the page itself may make changes")
            # A form of another site cannot send this type; a script would need the page's consent first.
            if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
                return Refusal(415, "JSON is expected")
        return rest
