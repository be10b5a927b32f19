"""What is asked has a size."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from tests.support.serving import jpeg, search

ClientOf = Callable[..., TestClient]


def test_json_that_nests_or_swells_is_refused(client: TestClient) -> None:
    deep: dict[str, object] = {"camera": 1}
    for _ in range(50):
        deep = {"not": deep}
    assert client.post("/api/v1/facets", json={"where": deep}).status_code == 422
    many = {"camera": list(range(2000))}
    assert client.post("/api/v1/facets", json={"where": many}).status_code == 422
    assert search(client, jpeg(), k=10**9).status_code == 422
