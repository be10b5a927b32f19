"""The application as a program uses it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from starlette.testclient import TestClient

from resight.gallery import Gallery
from resight.records import Record
from tests.support.serving import search

ClientOf = Callable[..., TestClient]


def test_a_search_finds_what_the_gallery_finds(
    client: TestClient, gallery: Gallery, photographed: list[Record]
) -> None:
    answer = search(client, photographed[3].path, k=5)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    pixels = Image.open(photographed[3].path).convert("RGB")
    hits = gallery.search(pixels, k=5)
    assert [hit["id"] for hit in found["hits"]] == [str(hit.id) for hit in hits]
    assert [hit["score"] for hit in found["hits"]] == pytest.approx([hit.score for hit in hits], abs=1e-5)
    first = found["hits"][0]
    assert (first["camera"], first["identity"], first["file"]) == (2, 2, "<b>2_2<b>.png")
    assert first["attributes"] == {"upper_color": "green"}
    picture = client.get(first["image"], params={"size": "large"})
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (48, 96)
