"""The processors that this process may use; imports nothing, so that every room can ask."""

from __future__ import annotations

import os

__all__ = ["cores"]


def cores() -> int:
    """Cores that this process may use, at least 1: fewer than the machine has where `taskset` or a container says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
