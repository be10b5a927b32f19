"""Images are embedded, marked answers are searched for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from resight.gallery import Gallery
from resight.processors import cores
from tests.support.serving import jpeg, search

ClientOf = Callable[..., TestClient]


def test_marked_answers_are_searched_for(client: TestClient, gallery: Gallery) -> None:
    ids = [str(number) for number in gallery.ids({"identity": 2})]
    first = search(client, right=ids, k=2).json()["hits"]
    assert {hit["id"] for hit in first} == set(ids)
    assert search(client).json() == {"detail": "nothing to search for: give an image, or mark an answer as right"}
    found = search(client, jpeg(), where={"camera": 2}, k=50).json()
    assert (len(found["hits"]), found["matching"]) == (6, 6)
    assert not found["nobody"]
    assert 0 < found["embed_ms"] < found["took_ms"], "what the model took is a part of it"
    assert search(client, right=ids).json()["embed_ms"] == 0, "nothing is embedded"


def test_changes_that_wait_keep_no_search_waiting(
    client: TestClient, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ending, count = threading.Event(), threading.Event(), 2 + cores()

    def waiting(ids: object, values: object) -> int:
        begun.set()
        assert ending.wait(60)
        return 1

    monkeypatch.setattr(gallery, "update", waiting)
    body = {"ids": [str(gallery.ids()[0])], "name": "Ann"}
    with ThreadPoolExecutor(count + 1) as threads:
        changes = [threads.submit(client.patch, "/api/v1/items", json=body) for _ in range(count)]
        try:
            assert begun.wait(60)
            assert threads.submit(search, client, jpeg(), k=3).result(60).status_code == 200
            assert not any(change.done() for change in changes)
        finally:
            ending.set()
        assert {change.result(60).json()["updated"] for change in changes} == {1}
