"""What the benchmarks share: timing, memory, and where they ran."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from resight.processors import cores

__all__ = ["Memory", "anonymous", "anonymous_of_all", "resident", "seconds", "where"]


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call, waiting for an accelerator to finish."""
    started = time.perf_counter()
    work()
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter() - started


class Memory:
    """Peak of memory within the block, above what was held before: by default this process's resident, files' pages too.

    It is sampled 200 times a second, less often where `held` takes its time.
    """

    def __init__(self, held: Callable[[], int] | None = None) -> None:
        self._held = held or resident

    def __enter__(self) -> Memory:
        self._before = self._peak = self._held()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self._peak = max(self._peak, self._held())
        self.mebibytes = (self._peak - self._before) / 2**20
        self.whole = self._peak / 2**20

    def _watch(self) -> None:
        pause = 0.005
        while not self._done.wait(pause):
            began = time.perf_counter()
            self._peak = max(self._peak, self._held())
            pause = max(0.005, 20 * (time.perf_counter() - began))


def resident() -> int:
    """Bytes that this process has in memory, pages of files among them."""
    return _statm()[1] * os.sysconf("SC_PAGE_SIZE")


def anonymous() -> int:
    """Bytes that this process has in memory without the pages of files: those of a memory map are anybody's to drop."""
    pages = _statm()
    return (pages[1] - pages[2]) * os.sysconf("SC_PAGE_SIZE")


def anonymous_of_all() -> int:
    """`anonymous` of this process and of those that it started; what they have in common counts once."""
    this, held = psutil.Process(), 0
    for process in (this, *this.children(recursive=True)):
        with suppress(OSError):  # it has ended meanwhile
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            held += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
    return held


def _statm() -> list[int]:
    return [int(word) for word in Path("/proc/self/statm").read_text().split()]


def where(device: str = "cpu") -> str:
    """The device and its cores, in words."""
    if device != "cpu":
        import torch

        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {cores()} cores"
