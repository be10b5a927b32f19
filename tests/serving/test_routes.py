"""No address leads anywhere but into the gallery."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

ClientOf = Callable[..., TestClient]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/images/../../secret.txt",
        "/api/v1/images/..%2f..%2fsecret.txt",
        "/api/v1/images/%2e%2e/secret.txt",
        "/static/../templates/review.html",
        "/static/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/api/v1/images/-1",
        "/api/v1/images/0x10",
        "/api/v1/images/9223372036854775808",
    ],
)
def test_no_path_leads_out_of_the_gallery(path: str, client: TestClient) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422), answer.text
    assert "secret" not in answer.text
    assert "root:" not in answer.text


def test_an_id_that_is_not_there_is_no_image(client: TestClient) -> None:
    assert client.get("/api/v1/images/12345").status_code == 404
