"""uvicorn, with patience for nobody who sends or reads slowly, and an end that finishes what runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from resight.errors import DataError
from resight.serving.limits import Limits

__all__ = ["listen", "server"]


def listen(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port`, 0 for a free one. Raises DataError where it cannot be had."""
    if not 0 <= port <= 65535:
        raise _cannot(host, port, "ports are 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _cannot(host, port, error) from None
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # not on Windows
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except (OSError, OverflowError) as error:
        made.close()
        raise _cannot(host, port, error) from None
    return made


def _cannot(host: str, port: int, error: Exception | str) -> DataError:
    return DataError(f"port {port} cannot be used on {host} ({error}); choose another with --port")


def server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """A server of the app, to be run on a socket: `server(app, limits).run([listen("127.0.0.1", 8765)])`.

    SIGTERM and Ctrl-C end it when the requests that run are answered, or `limits.shutdown_seconds` later.
    """
    _allow_connections()
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_patience(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,  # its lines would hold addresses with tokens
            server_header=False,
            proxy_headers=False,  # anybody could write another's address into them
            timeout_keep_alive=max(1, round(limits.idle_seconds)),
            timeout_graceful_shutdown=limits.shutdown_seconds,
        )
    )


def _allow_connections() -> None:
    """A connection is an open file; many systems allow a process 1,024 of them where it does not ask."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _patience(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, which by itself waits for a head, and for a reader, without end."""

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _reader: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head = _stopped(self._head)
            elif not self.transport.is_closing():
                self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head, self._reader = _stopped(self._head), _stopped(self._reader)
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._reader = self._reader or self.loop.call_later(limits.send_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._reader = _stopped(self._reader)
            super().resume_writing()

        def _expect_head(self) -> None:
            """Once for each request: further bytes do not buy further time."""
            self._head = self._head or self.loop.call_later(limits.header_seconds, self.transport.abort)

    return Patient


def _stopped(timer: asyncio.TimerHandle | None) -> Any:
    """Cancel a timer; None, which takes its place."""
    if timer is not None:
        timer.cancel()
    return None
