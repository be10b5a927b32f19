"""Requests to a server, as a program or an attacker would send them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

__all__ = ["HOME", "TOKEN", "jpeg", "search"]

HOME = "http://127.0.0.1:8765"
TOKEN = "a-token-of-enough-letters"


def jpeg(width: int = 24, height: int = 48, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A small picture as a file's bytes."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG")
    return file.getvalue()


def search(
    client: TestClient, *images: bytes | str | Path, headers: Mapping[str, str] | None = None, **options: Any
) -> Any:
    """Ask for images like some files or their bytes; the answer as it came."""
    read = [image if isinstance(image, bytes) else Path(image).read_bytes() for image in images]
    files = [("images", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(read)]
    data = {"options": json.dumps(options)}
    # Without a file it would not be multipart.
    return client.post("/api/v1/search", data=data, files=files or None, headers=headers)
