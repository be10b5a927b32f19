"""What the benchmarks share: timing, memory, and where they ran."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Memory", "seconds", "where"]


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call, waiting for an accelerator to finish."""
    started = time.perf_counter()
    work()
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter() - started


class Memory:
    """Peak of this process's resident memory within the block, above what it held before, sampled 200 times a second."""

    def __enter__(self) -> Memory:
        self._before = self._peak = _resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.mebibytes = (max(self._peak, _resident()) - self._before) / 2**20
        self.whole = max(self._peak, _resident()) / 2**20

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._peak = max(self._peak, _resident())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def where(device: str = "cpu") -> str:
    """The device and its cores, in words."""
    if device != "cpu":
        import torch

        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {len(os.sched_getaffinity(0))} cores"
