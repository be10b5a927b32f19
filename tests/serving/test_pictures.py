"""Images that are no images, too large, or carry something behind their back."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from resight.gallery import Gallery
from resight.records import Record
from tests.support.serving import jpeg, search

ClientOf = Callable[..., TestClient]
HIDDEN = b"<script>alert(1)</script>"


def _bomb() -> bytes:
    """A PNG of 20,000 × 20,000 pixels in a few hundred bytes of header, whose rows would fill a gigabyte."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_bomb(), "over the limit of 25 million pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not an image"),
        (b"<html><script>alert(1)</script></html>", "not an image"),
        (b"\x80\x04\x95cposix\nsystem\n", "not an image"),
        (b"", "image 1"),
    ],
    ids=["bomb", "svg", "html", "pickle", "empty"],
)
def test_what_is_no_harmless_image_is_refused_in_one_line(data: bytes, told: str, client: TestClient) -> None:
    answer = search(client, data)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    detail = answer.json()["detail"]
    assert "<" not in detail
    assert "image 1" in detail
    assert told in detail


def test_images_are_encoded_anew(client: TestClient, gallery: Gallery, tmp_path: Path) -> None:
    """What hides behind an image's last byte does not come out again."""
    path = tmp_path / "hiding.jpg"
    path.write_bytes(jpeg() + HIDDEN)
    gallery.add([Record(str(path), 99, 1)])
    (id,) = gallery.ids({"identity": 99})
    answer = client.get(f"/api/v1/images/{id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content.startswith(b"\xff\xd8"), "a JPEG"
    assert HIDDEN not in answer.content
