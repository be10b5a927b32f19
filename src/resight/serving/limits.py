"""How much a client may ask for: requests a second, bytes, time to send them, and how many are answered at once.

The last line against one who sends more than is answered: what is over a limit is told 429 or 503, and when to try again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resight.serving.security import Refusal, refused

__all__ = ["Bounds", "Buckets", "Limits"]

_CLOSE = {"Connection": "close"}
"""What is still on its way of a body that is refused is not waited for."""
_PASSED_OVER = 2**18
"""Bytes that are taken, and thrown away, of a request that is refused."""


@dataclass(frozen=True)
class Limits:
    """What a server bears. The defaults suit a machine with a few cores."""

    upload: int = 32 * 2**20
    """Bytes of a request with images."""
    json: int = 2**18
    """Bytes of any other request."""
    held: int = 256 * 2**20
    """Bytes of the requests of all clients that are answered at once."""
    images: int = 8
    """Images of one individual in a search."""
    pixels: int = 25_000_000
    """Pixels of an image that is sent."""
    rate: float = 100.0
    """Requests a second of one client over a long time; 0 for any number."""
    burst: float = 300.0
    """Requests that a client may make at once after a pause."""
    at_once: int = 128
    """Requests that are answered at once, of all clients."""
    queue: int = 128
    """Images that wait for the model."""
    batch: int = 32
    """Images in one forward pass."""
    wait: float = 0.005
    """Seconds that the first image of a batch waits for others."""
    header_seconds: float = 10.0
    """Seconds in which a request's head must arrive."""
    body_seconds: float = 20.0
    """Seconds in which a body must arrive, and a second more for each 64 KiB."""
    idle_seconds: float = 5.0
    """Seconds that a connection is kept without a request."""
    send_seconds: float = 30.0
    """Seconds that a client may leave an answer unread."""
    shutdown_seconds: int = 30
    """Seconds that running requests get to end."""


class Buckets:
    """A token bucket a client: `burst` requests at once, `rate` a second after that.

    >>> Buckets(rate=1, burst=2).wait("10.0.0.1")
    0.0
    """

    def __init__(
        self, rate: float, burst: float, clients: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self.clients, self.clock = rate, burst, clients, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, cost: float = 1.0) -> float:
        """Seconds until this client may ask again; 0 where it may now, which is counted."""
        now = self.clock()
        left, before = self._left.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - before) * self.rate)
        allowed = left >= cost
        self._left[client] = (left - cost if allowed else left, now)
        if len(self._left) > self.clients:  # the one not seen for longest, whose bucket is the fullest
            self._left.popitem(last=False)
        return 0.0 if allowed else (cost - left) / self.rate


class Bounds:
    """Holds an app to `Limits`. What is got costs a tenth of a request: a page shows many pictures."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.buckets = Buckets(limits.rate, limits.burst)
        self.running = 0
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif refusal := self._over(scope):
            if refusal[0].status != 413:
                await _passed_over(receive, self.limits.body_seconds)
            await refused(*refusal)(scope, receive, send)
        else:
            self.running += 1
            body = _Body(scope, receive, self.limits, self._hold)
            try:
                await self.app(scope, body, send)
            finally:
                self.running -= 1
                self.held -= body.arrived

    def _hold(self, count: int) -> bool:
        """Whether so many bytes more fit; they are counted in either case."""
        self.held += count
        return self.held <= self.limits.held

    def _over(self, scope: Scope) -> tuple[Refusal, dict[str, str]] | None:
        cost = 0.1 if scope["method"] == "GET" else 1.0
        if self.limits.rate and (seconds := self.buckets.wait(_client(scope), cost)):
            after = str(math.ceil(seconds))
            return Refusal(429, f"too many requests; try again in {after} s"), {"Retry-After": after, **_CLOSE}
        if self.running >= self.limits.at_once:
            return Refusal(503, "too many requests run; try again in 1 s"), {"Retry-After": "1", **_CLOSE}
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > _most(scope, self.limits):
            return Refusal(413, _too_large(scope, self.limits)), _CLOSE
        return None


async def _passed_over(receive: Receive, seconds: float) -> None:
    """Take a body that nobody reads: a connection that is closed before is reset, and its client never sees the answer."""
    left = _PASSED_OVER
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class _Body:
    """The body of a request as it arrives, up to its limits of bytes and time."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits, hold: Callable[[int], bool]) -> None:
        self.receive, self.seconds, self.hold = receive, limits.body_seconds, hold
        self.most, self.told = _most(scope, limits), _too_large(scope, limits)
        self.began, self.arrived, self.whole = time.monotonic(), 0, False

    async def __call__(self) -> Message:
        if self.whole:  # what comes now is the client's going away, whenever that may be
            return await self.receive()
        left = self.began + self.seconds + self.arrived / 2**16 - time.monotonic()
        try:
            message = await asyncio.wait_for(self.receive(), left)
        except TimeoutError:
            raise HTTPException(408, "the request came too slowly", _CLOSE) from None
        count = len(message.get("body", b""))
        self.arrived += count
        fits = self.hold(count)
        self.whole = not message.get("more_body", False)
        if self.arrived > self.most:
            raise HTTPException(413, self.told, _CLOSE)
        if not fits:
            raise HTTPException(
                503, "too many images are sent at once; try again in 1 s", {"Retry-After": "1", **_CLOSE}
            )
        return message


def _most(scope: Scope, limits: Limits) -> int:
    kind = Headers(scope=scope).get("content-type", "")
    return limits.upload if kind.startswith("multipart/form-data") else limits.json


def _too_large(scope: Scope, limits: Limits) -> str:
    return f"the request is over the limit of {_most(scope, limits):,} bytes"


def _client(scope: Scope) -> str:
    """Who asks: the address, of IPv6 its first half, of which one customer has as many as they like."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((host, 64), strict=False)) if address.version == 6 else host
