"""A wrong question is one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from resight.gallery import Gallery
from tests.support.serving import jpeg, search

ClientOf = Callable[..., TestClient]


def test_a_condition_is_never_sql(client: TestClient) -> None:
    evil = "red' OR 1=1 --"
    answer = client.post("/api/v1/facets", json={"where": {"upper_color": evil}})
    assert answer.json()["matching"] == 0
    answer = client.post("/api/v1/facets", json={"where": {"upper_color\" = 'x' OR \"camera": 1}})
    assert answer.status_code == 400
    assert client.post("/api/v1/facets", json={"where": None}).json()["matching"] == 12


def test_nobody_is_never_said_where_nothing_tells_a_probability(client: TestClient) -> None:
    answer = search(client, jpeg(), accept=0.5)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("this gallery knows no probabilities; leave out accept, or run `resight")
    assert search(client, jpeg()).json()["nobody"] is False


def test_an_answer_to_a_wrong_form_repeats_nothing_of_it(client: TestClient) -> None:
    answer = client.post("/api/v1/export", json={"ids": ["<b>whatever</b>"]})
    assert answer.status_code == 422
    assert "whatever" not in answer.text


def test_a_fault_is_told_in_the_log_alone_and_guarded_as_every_answer(
    client_of: ClientOf, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("a secret of the machine")

    lines: list[str] = []
    client = client_of(tell=lines.append)
    monkeypatch.setattr(gallery, "counts", broken)
    answer = client.post("/api/v1/facets", json={})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in lines[-1]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
