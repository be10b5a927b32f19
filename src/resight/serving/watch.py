"""A line of JSON for each request: what was asked, how it ended, how long it took; never who, and nothing of its contents."""

from __future__ import annotations

import json
import secrets
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resight.serving.metrics import Metrics

__all__ = ["Watch"]


class Watch:
    """Numbers, counts and tells the requests of an app; what it fails of is told with its traceback, and answered 500.

    `tell` gets the lines. A line holds the route's template, not the address, which may hold a token.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, tell: Callable[[str], None] = lambda line: None) -> None:
        self.app, self.metrics, self.tell = app, metrics, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        number, began, status = secrets.token_hex(8), time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = number
            await send(message)

        fault = ""
        try:
            await self.app(scope, receive, sent)
        except Exception:
            fault = traceback.format_exc()
            if not status:
                told = {"detail": f"a mistake of the server; its log has it under {number}"}
                await JSONResponse(told, 500)(scope, receive, sent)
        finally:
            self._ended(scope, number, status, time.perf_counter() - began, fault)

    def _ended(self, scope: Scope, number: str, status: int, seconds: float, fault: str) -> None:
        route, fault = _route(scope), fault or scope.get("resight.fault", "")
        self.metrics.answered(scope["method"], route, status, seconds)
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "error" if fault or status >= 500 else "info",
            "request": number,
            "method": scope["method"][:16],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        self.tell(json.dumps(line | ({"error": fault} if fault else {})))


def _route(scope: Scope) -> str:
    """The template of what was asked for; one word for all that is not there or was refused before."""
    return str(getattr(scope.get("route"), "path", "other"))
