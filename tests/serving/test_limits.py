"""Token buckets, by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from fastapi import HTTPException
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from resight.serving.limits import Bounds, Buckets, Limits
from tests.support.serving import jpeg, search


def test_a_bucket_fills_again_and_each_client_has_its_own() -> None:
    now = [0.0]
    buckets = Buckets(rate=2, burst=3, clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("b") == 0
    now[0] = 0.5
    assert buckets.wait("a") == 0
    assert buckets.wait("a") == 0.5
    now[0] = 100
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_clients_are_forgotten_before_they_fill_the_memory() -> None:
    buckets = Buckets(rate=1, burst=1, clients=10, clock=lambda: 0.0)
    for number in range(1000):
        buckets.wait(str(number))
    assert len(buckets._left) <= 10


ClientOf = Callable[..., TestClient]


def test_a_body_over_the_limit_is_refused_whether_it_says_so_or_not(client_of: ClientOf) -> None:
    client = client_of(limits=Limits(rate=0, upload=50_000, json=1_000))
    assert search(client, b"x" * 60_000).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b'{"ids": ["1"' + b" " * 500

    headers = {"Content-Type": "application/json"}
    assert client.post("/api/v1/export", content=pieces(), headers=headers).status_code == 413
    assert search(client_of(limits=Limits(rate=0, images=2)), *[jpeg()] * 3).status_code == 413


def test_one_client_cannot_ask_without_end(client_of: ClientOf) -> None:
    client = client_of(limits=Limits(rate=1e-6, burst=3))  # so that nothing is let through for the time that they take
    answers = [client.post("/api/v1/facets", json={}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def _scope(**headers: str) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": raw,
        "client": ("10.0.0.1", 1),
    }


def test_a_body_that_says_it_is_over_the_limit_is_not_taken() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the request was let through")

    bounds = Bounds(app, Limits(rate=0, json=1_000))
    asyncio.run(bounds(_scope(**{"content-length": "1001"}), receive, send))
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


def test_no_more_are_answered_at_once_than_the_limit_says() -> None:
    async def flood() -> list[Message]:
        sent: list[Message] = []
        ending = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await ending.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            sent.append(message)

        bounds = Bounds(app, Limits(rate=0, at_once=2))
        running = [asyncio.create_task(bounds(_scope(), receive, send)) for _ in range(2)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await bounds(_scope(), receive, send)
        ending.set()
        await asyncio.gather(*running)
        running = [asyncio.create_task(bounds(_scope(), receive, send)) for _ in range(2)]
        await asyncio.gather(*running)
        return [message for message in sent if message["type"] == "http.response.start"]

    found = asyncio.run(flood())
    assert [message["status"] for message in found] == [503, 200, 200, 200, 200]
    assert dict(found[0]["headers"])[b"retry-after"] == b"1"


def test_bodies_of_all_clients_together_have_a_limit() -> None:
    """Each is within its own limit; together they would fill the memory."""

    async def flood() -> tuple[list[int], int]:
        taken: list[int] = []
        ending = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await receive()
                taken.append(200)
                await ending.wait()
            except HTTPException as refused:
                taken.append(refused.status_code)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"x" * 600}

        async def send(message: Message) -> None:
            raise AssertionError("nothing is answered here")

        bounds = Bounds(app, Limits(rate=0, json=1_000, held=1_300))
        running = [asyncio.create_task(bounds(_scope(), receive, send)) for _ in range(3)]
        async with asyncio.timeout(60):
            while len(taken) < 3:
                await asyncio.sleep(0)
        ending.set()
        await asyncio.gather(*running)
        await bounds(_scope(), receive, send)
        return taken, bounds.held

    assert asyncio.run(flood()) == ([200, 200, 503, 200], 0)
