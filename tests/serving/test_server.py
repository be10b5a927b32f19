"""A real server, and clients that mean it ill."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from resight.gallery import Gallery
from resight.serving.app import create_app
from resight.serving.limits import Limits
from resight.serving.security import Access, Names
from tests.support.serving import jpeg, serving

ClientOf = Callable[..., TestClient]


@contextmanager
def _running(gallery: Gallery, limits: Limits, app: ASGIApp | None = None) -> Iterator[int]:
    """A real server of a gallery, or of another app, on a free port."""

    def made(port: int) -> ASGIApp:
        return app or create_app(gallery, Access(Names.of("127.0.0.1", port)), limits)

    with serving(made, limits) as home:
        yield int(home.rpartition(":")[2])


@pytest.mark.slow
def test_a_client_that_dawdles_is_cut_off(gallery: Gallery) -> None:
    for limits, further, answered in (
        (Limits(rate=0, header_seconds=0.5), "", b""),
        (
            Limits(rate=0, header_seconds=300, body_seconds=0.5),
            "Content-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
            b"408",
        ),
    ):
        with _running(gallery, limits) as port, socket.create_connection(("127.0.0.1", port)) as slow:
            slow.settimeout(60)  # without an end of the server's own nothing would ever come
            slow.sendall(
                f"POST /api/v1/facets HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Resight: 1\r\n{further}".encode()
            )
            got = b""
            while piece := slow.recv(4096):
                got += piece
            assert answered in got
            if answered:  # the other's clients have half a second, which a busy machine may take
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).status_code == 200


@pytest.mark.slow
def test_a_client_that_reads_nothing_is_cut_off(gallery: Gallery) -> None:
    size, gone = 64 * 2**20, threading.Event()

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

    with (
        _running(gallery, Limits(send_seconds=0.5), large) as port,
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.settimeout(60)
        slow.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert gone.wait(60)
        got = 0
        with suppress(ConnectionResetError):
            while got < size and (piece := slow.recv(2**20)):
                got += len(piece)
        assert got < size


@pytest.mark.slow
def test_a_thousand_requests_at_once_are_all_answered_and_the_server_lives(gallery: Gallery) -> None:
    with _running(gallery, Limits(rate=0, header_seconds=300, body_seconds=300)) as port:
        base = f"http://127.0.0.1:{port}"

        async def flood() -> list[int]:
            limits = httpx.Limits(max_connections=1000)
            async with httpx.AsyncClient(
                base_url=base, headers={"X-Resight": "1"}, limits=limits, timeout=300
            ) as client:
                files = {"images": ("q.jpg", jpeg(), "image/jpeg")}
                asked = [client.post("/api/v1/search", files=files, data={"options": '{"k": 3}'}) for _ in range(1000)]
                return [answer.status_code for answer in await asyncio.gather(*asked)]

        found = asyncio.run(flood())
        assert len(found) == 1000
        assert set(found) <= {200, 503}
        assert 200 in found
        assert httpx.get(f"{base}/healthz", timeout=30).status_code == 200
        assert search_alone(base) == 200


def search_alone(base: str) -> int:
    files = {"images": ("q.jpg", jpeg(), "image/jpeg")}
    return httpx.post(f"{base}/api/v1/search", files=files, headers={"X-Resight": "1"}, timeout=30).status_code
