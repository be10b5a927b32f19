"""No address leads anywhere but into the gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.testclient import TestClient

from tests.support.serving import HOME

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


BOUNDED = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_nothing_that_the_api_describes_or_forbids_is_a_fault_of_the_server(
    mode: schemathesis.GenerationMode, client: TestClient
) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/api/v1/openapi.json").json())
    statuses: set[int] = set()

    def sent(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url=HOME)
        asked.pop("cookies", None)
        asked["headers"] = {"X-Resight": "1"} | dict(asked["headers"])
        answer = client.request(**asked)
        assert answer.status_code < 500, (case.operation.label, asked, answer.text)
        statuses.add(answer.status_code)

    for operation in (result.ok() for result in schema.get_all_operations()):
        try:
            BOUNDED(given(case=operation.as_strategy(generation_mode=mode))(sent))()
        except Unsatisfiable:  # an address without parameters cannot be asked wrongly
            assert not operation.body
    assert {200, 400, 422} <= statuses
