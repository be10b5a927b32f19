"""Images are embedded, marked answers are searched for."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from resight.gallery import Gallery
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
    assert search(client, jpeg(), accept=0.5).json()["nobody"], "nothing is calibrated here"
