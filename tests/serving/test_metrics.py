"""What the server counts of itself."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from tests.support.serving import jpeg, search

ClientOf = Callable[..., TestClient]


def test_it_says_that_it_lives_and_what_it_counts(client: TestClient) -> None:
    search(client, jpeg())
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"ready": True}
    text = client.get("/metrics").text
    assert 'resight_requests_total{method="POST",route="/api/v1/search",status="200"} 1.0' in text
    assert "resight_gallery_images 12.0" in text
