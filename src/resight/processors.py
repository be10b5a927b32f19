"""Cores that this process may use, and processes that work beside it. Imports nothing heavy, so that every room can ask."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import context
from types import ModuleType
from typing import Any

__all__ = ["cores", "worker_context"]


def cores() -> int:
    """Cores that this process may use, at least 1: fewer than the machine has where `taskset` or a container says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_context(method: str) -> context.BaseContext:
    """What starts processes by "fork", "spawn" or "forkserver" without running the user's script again in each.

    Python imports the script in a process that is not forked, so that one without `if __name__ == "__main__"` fails
    there. It does so here only where the work needs something that the script defines.
    """
    return _CONTEXTS[method]() if method in _CONTEXTS else multiprocessing.get_context(method)


class _Spawned(context.SpawnProcess):
    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802  # multiprocessing's own
        return _start_alone(context.SpawnProcess._Popen, process)  # type: ignore[attr-defined]


class _SpawnContext(context.SpawnContext):
    Process = _Spawned  # type: ignore[assignment]


_CONTEXTS: dict[str, type[context.BaseContext]] = {"spawn": _SpawnContext}

if sys.platform != "win32":

    class _Served(context.ForkServerProcess):
        @staticmethod
        def _Popen(process: Any) -> Any:  # noqa: N802
            return _start_alone(context.ForkServerProcess._Popen, process)  # type: ignore[attr-defined]

    class _ForkServerContext(context.ForkServerContext):
        Process = _Served  # type: ignore[assignment]

    _CONTEXTS["forkserver"] = _ForkServerContext


def _start_alone(start: Callable[[Any], Any], process: Any) -> Any:
    try:
        with _without_main():
            return start(process)
    except (pickle.PicklingError, AttributeError):  # the script's own functions or classes are needed
        return start(process)


@contextmanager
def _without_main() -> Iterator[None]:
    """Meanwhile the script is not to be found, and so not named to the new process as what it has to import."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
