"""A wrong question is one line."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

ClientOf = Callable[..., TestClient]


def test_a_condition_is_never_sql(client: TestClient) -> None:
    evil = "red' OR 1=1 --"
    answer = client.post("/api/v1/facets", json={"where": {"upper_color": evil}})
    assert answer.json()["matching"] == 0
    answer = client.post("/api/v1/facets", json={"where": {"upper_color\" = 'x' OR \"camera": 1}})
    assert answer.status_code == 400
    assert client.post("/api/v1/facets", json={"where": None}).json()["matching"] == 12
