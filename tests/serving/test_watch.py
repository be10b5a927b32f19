"""The log."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from resight.serving.security import Access, Names
from tests.support.serving import TOKEN

ClientOf = Callable[..., TestClient]


def test_the_log_holds_no_token_and_nothing_that_was_sent(client_of: ClientOf) -> None:
    lines: list[str] = []
    client = client_of(access=Access(Names.of("127.0.0.1", 8765), TOKEN), tell=lines.append)
    client.get(f"/?token={TOKEN}", follow_redirects=False)
    client.get("/api/v1/timeline", params={"name": "a private name"}, headers={"Authorization": f"Bearer {TOKEN}"})
    assert len(lines) == 2
    assert not any(TOKEN in line or "private" in line for line in lines)
    assert '"route": "/api/v1/timeline"' in lines[1]
