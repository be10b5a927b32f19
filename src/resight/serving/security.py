"""Who may ask: the server's own names, requests of other sites, the token.

Every web site open in the same browser can send requests to 127.0.0.1, and a name that its DNS server points there makes
them look like the page's own. A Host header that such a name cannot have, an Origin that only the page itself has, a
header that no other site may send and a token that nobody guesses keep them out.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resight.errors import OptionError

__all__ = ["HEADERS", "LEAST_TOKEN", "Access", "Gate", "Guard", "Headed", "Names", "Refusal", "is_loopback", "refused"]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The address may hold the token: other sites must not get it, while our own requests keep their Origin.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Sent with every answer."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load: files of this server alone, and pictures that the user has chosen, before they are sent."""

_FILES = "/static/"
"""Where the page's files are, the same in every installation."""

LEAST_TOKEN = 16
"""Characters that a token must have at least."""

_SAFE = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?", re.ASCII)


class Given(Protocol):
    """The headers of a request, found in any case of letters."""

    def get(self, name: str, default: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and its reason; `location` and `cookie` where the browser is sent on."""

    status: int
    reason: str
    location: str = ""
    cookie: str = ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Names:
    """The names that a server answers to, as a Host header gives them.

    >>> Names.of("127.0.0.1", 8765).known("localhost:8765")
    True

    On the loopback address these are its own, with its port. Elsewhere they are every address in numbers, which no DNS
    server can give a meaning to, and the machine's name, with any port. The names given, too: a proxy may stand before.
    """

    names: frozenset[str]
    port: int | None = None
    """None for any port and any address in numbers."""
    further: frozenset[str] = frozenset()
    """Names with any port."""

    @classmethod
    def of(cls, host: str, port: int, further: Iterable[str] = ()) -> Names:
        named = frozenset(name.lower() for name in further)
        if is_loopback(host):
            own = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
            return cls(frozenset({own, "localhost"}), port, named)
        return cls(frozenset({"localhost", socket.gethostname().lower()}), None, named)

    def known(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is not None and found[1].lower() in self.further:
            return True
        if self.port is not None:
            return host in {f"{name}:{self.port}" for name in self.names} or (self.port == 80 and host in self.names)
        return found is not None and (found[1].lower() in self.names or _is_number(found[1]))

    @property
    def schemes(self) -> tuple[str, ...]:
        """How the page may have been reached: another machine in front may add TLS."""
        return ("http",) if self.port is not None and not self.further else ("http", "https")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _foreign(headers: Given, names: Names) -> Refusal | None:
    """Why a request is refused by where it comes from, whoever sends it."""
    host = headers.get("Host", "")
    if not names.known(host):
        return Refusal(421, "this server does not answer to that name")
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return Refusal(403, "requests from other sites are refused")
    return None


def _own_origins(headers: Given, names: Names) -> set[str]:
    return {f"{scheme}://{headers.get('Host', '')}" for scheme in names.schemes}


def _same(given: str, secret: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


@dataclass(frozen=True)
class Gate:
    """Checks of a request to a page at http://127.0.0.1:port/token/, which one person opens."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def check(self, method: str, path: str, headers: Given) -> Refusal | str:
        """The path below the token, or why the request is refused."""
        names = Names.of("127.0.0.1", self.port)
        if refusal := _foreign(headers, names):
            return refusal
        given, slash, rest = path.removeprefix("/").partition("/")
        if not slash or not _same(given, self.token):
            return Refusal(403, "open the address that the command printed; it holds a token")
        if method != "GET":
            if headers.get("Origin", "") not in _own_origins(headers, names):
                return Refusal(403, "only the page itself may make changes")
            # A form of another site cannot send this type; a script would need the page's consent first.
            if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
                return Refusal(415, "JSON is expected")
        return rest


@dataclass(frozen=True)
class Access:
    """Checks of a request to a server that programs use as well: a token in a header, or for the page in a cookie.

    >>> Access(Names.of("127.0.0.1", 8765), token=None)

    `?token=` at `/` is exchanged for the cookie, so that the token does not stay in the address. Raises OptionError for
    a token that could be guessed.
    """

    names: Names
    token: str | None = None
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What the cookie holds in the place of the token."""
    open: frozenset[str] = frozenset({"/healthz", "/readyz"})
    """Paths that need no token, and tell nothing."""

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            raise OptionError(f"the token has {len(self.token)} characters and could be guessed; give {LEAST_TOKEN}")

    @property
    def cookie(self) -> str:
        """Its name: a browser sends cookies of all ports of one host together."""
        return f"resight-{self.names.port or 'gallery'}"

    def check(self, method: str, target: str, headers: Given) -> Refusal | str:
        """The path asked for, or why the request is refused; `target` is the path with its query, as it was sent."""
        path, _, query = target.partition("?")
        if refusal := _foreign(headers, self.names):
            return refusal
        origin = headers.get("Origin", "")
        if origin and origin not in _own_origins(headers, self.names):
            return Refusal(403, "requests from other sites are refused")
        if path in self.open or path.startswith(_FILES):
            return path
        bearer = self.token is not None and self._bears(headers)
        if self.token is not None and not bearer and not self._has_cookie(headers):
            return self._without_token(path, query)
        if method not in _SAFE and not bearer and headers.get("X-Resight", "") != "1":
            return Refusal(403, "send the header X-Resight: 1, which a page of another site cannot")
        return path

    def _bears(self, headers: Given) -> bool:
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and _same(given.strip(), self.token or "")

    def _has_cookie(self, headers: Given) -> bool:
        """Other servers of the host send cookies along, of whatever signs, at which a strict reader would stop."""
        parts = (part.strip().partition("=") for part in headers.get("Cookie", "").split(";"))
        return any(name == self.cookie and _same(value, self.session) for name, _, value in parts)

    def _without_token(self, path: str, query: str) -> Refusal | str:
        """The page itself is for everybody: it holds nothing of the gallery, and asks for the token."""
        given = parse_qs(query, max_num_fields=8).get("token", [""])[0] if query.count("&") < 8 else ""
        if path == "/" and _same(given, self.token or ""):
            cookie = f"{self.cookie}={self.session}; Path=/; HttpOnly; SameSite=Strict"
            return Refusal(303, "the token is in a cookie now", location="/", cookie=cookie)
        if path == "/":
            return path
        return Refusal(401, "a token is needed: the header Authorization: Bearer TOKEN, or /?token=TOKEN in a browser")


class Guard:
    """Lets nobody through whom `check` refuses."""

    def __init__(self, app: ASGIApp, check: Callable[[str, str, Given], Refusal | str]) -> None:
        self.app, self.check = app, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (self.app(scope, receive, send) if scope["type"] == "lifespan" else _closed(send))
            return
        checked = self.check(scope["method"], _target(scope), Headers(scope=scope))
        if isinstance(checked, Refusal):
            await refused(checked)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Headed:
    """Puts the security headers on every answer; one that has a policy of its own keeps it."""

    def __init__(self, app: ASGIApp, policy: str = POLICY) -> None:
        self.app, self.headers = app, HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sent)


async def _closed(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


def _target(scope: Scope) -> str:
    """The path and query as they were sent, not decoded."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope["query_string"]
    return bytes(raw + (b"?" + query if query else b"")).decode("latin-1")


def refused(refusal: Refusal, further: dict[str, str] | None = None) -> Response:
    """The answer to a request that is refused: its reason, as every other error is told."""
    headers = dict(further or {})
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.location:
        headers |= {"Location": refusal.location, "Set-Cookie": refusal.cookie}
    return JSONResponse({"detail": refusal.reason}, refusal.status, headers)
