"""The page, its files, and what may run in it."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.testclient import TestClient

ClientOf = Callable[..., TestClient]


def test_no_script_but_our_own_runs_in_the_page(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert " onclick=" not in answer.text


def test_the_page_and_its_files_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for kind, name in re.findall(r'(?:src|href)="/static/((?:\w+/)*)([\w.-]+)"', page.text):
        assert client.get(f"/static/{kind}{name}").status_code == 200, name
    assert "/static/gallery.js" in page.text
