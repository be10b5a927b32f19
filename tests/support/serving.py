"""A real server, and requests to it as a program or an attacker would send them."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from resight.serving.limits import Limits
from resight.serving.server import listen, server

__all__ = ["HOME", "TOKEN", "jpeg", "search", "serving"]

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


@contextmanager
def serving(app_of: Callable[[int], ASGIApp], limits: Limits) -> Iterator[str]:
    """The address of a real server, in a thread, of the app that `app_of(port)` makes."""
    socket = listen("127.0.0.1", 0)
    port = socket.getsockname()[1]
    one = server(app_of(port), limits)
    one.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # of another thread
    thread = threading.Thread(target=one.run, args=([socket],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not one.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert one.started
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        one.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
