"""What this machine does fastest: ways to compute, timed on a few steps, and the choice kept for the next time."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import torch
from torch import nn

from resight.files import cache_folder, written_whole
from resight.words import counted

__all__ = [
    "LONG",
    "STEPS",
    "Precision",
    "Way",
    "fastest",
    "fewest_workers",
    "likely",
    "machine",
    "remembered",
    "told",
    "ways",
]

Item = TypeVar("Item")

Precision = Literal["32", "bf16", "16"]
"""float32, or mixed with bfloat16 or float16."""

LONG = 50
"""Work that is longer than so many times its probe is worth measuring."""
STEPS = 3
"""Timed steps of each way, after one that is not: it allocates and picks kernels."""
_WORTH = 0.97
"""A way is changed for another that takes less than this share of its time: less is noise."""
_WORKERS = (0, 1, 2, 4, 8)


@dataclass(frozen=True)
class Way:
    """A way to compute what a network makes: how exactly, in which order in memory, on how many threads, compiled or not.

    And whether a GPU is given a training's passes whole, and how many processes load images beside.
    """

    precision: Precision = "32"
    channels_last: bool = True
    threads: int | None = None
    """None: as many as PyTorch takes."""
    compiled: bool = False
    """Whether by torch.compile."""
    graphs: bool = False
    """Whether training passes are launched as CUDA graphs."""
    workers: int | None = None
    """Processes that load images; None: as many as the recipe says."""

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "channels first"
        name = {"32": "float32", "bf16": "bfloat16", "16": "float16"}[self.precision]
        threads = "" if self.threads is None else f", {counted(self.threads, 'thread')}"
        workers = "" if self.workers is None else f", {counted(self.workers, 'worker')}"
        how = f"{', compiled' if self.compiled else ''}{', as CUDA graphs' if self.graphs else ''}"
        return f"{name}, {layout}{threads}{how}{workers}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises ValueError or TypeError for what `to_json` does not write."""
        way = cls(**values)
        if way.precision not in ("32", "bf16", "16"):
            raise ValueError(f"no precision {way.precision!r}")
        return way

    @property
    def type(self) -> torch.dtype:
        """The type that convolutions and matrix products are computed in."""
        return {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}[self.precision]

    def autocast(self, device: torch.device | str) -> torch.autocast:
        """A context in which a network is computed in this precision."""
        return torch.autocast(torch.device(device).type, self.type, enabled=self.precision != "32")

    @contextmanager
    def on_its_threads(self) -> Iterator[None]:
        """Meanwhile PyTorch has the way's number of threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def machine(device: torch.device | str) -> str:
    """What tells this machine's speed from another's: GPU or processor, its cores, PyTorch's version."""
    if torch.device(device).type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        where = f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    return f"{where}, PyTorch {torch.__version__}"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform

    return platform.processor() or platform.machine()


def likely(device: torch.device | str, network: nn.Module, once: Callable[[], object]) -> Way:
    """The way that is fastest as a rule: what short work has, which is not measured. `once` runs the network on an image.

    bfloat16 where the hardware computes in it; on a CPU not for depthwise networks, which it slows to half.
    """
    if torch.device(device).type == "cuda":
        return Way("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32")
    return Way("bf16" if not _depthwise(network) and _cpu_computes_bf16(network, once) else "32")


def ways(device: torch.device | str, network: nn.Module, once: Callable[[], object]) -> list[Way]:
    """All ways that this machine has, the likely one first; `once` as in `likely`."""
    first = likely(device, network, once)
    if torch.device(device).type == "cuda":
        half: list[Precision] = ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"]
    else:
        half = ["bf16"] if _cpu_computes_bf16(network, once) else []
    found = [Way(precision, layout) for precision in ("32", *half) for layout in (True, False)]
    return [first, *(way for way in found if way != first)]


def _cpu_computes_bf16(network: nn.Module, once: Callable[[], object]) -> bool:
    return _cpu_has_bf16() and not _one_wide(network, once)


@torch.no_grad()
def _one_wide(network: nn.Module, once: Callable[[], object]) -> bool:
    """Whether a convolution of stride 2 makes maps of width 1.

    With AMX, oneDNN (of PyTorch 2.14) computes these in bfloat16 from memory that nobody has written: the result is
    now right, now noise, now nan.
    """
    found: list[bool] = []

    def note(layer: nn.Module, inputs: object, made: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        found.append(layer.stride[-1] > 1 and made.shape[-1] == 1)

    hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    modes = [(part, part.training) for part in network.modules()]
    try:
        network.eval()  # batch statistics of one image are none
        once()
    finally:
        for hook in hooks:
            hook.remove()
        for part, training in modes:
            part.training = training
    return any(found)


def _cpu_has_bf16() -> bool:
    # Only if the processor computes in bfloat16: emulation is slower than float32. PyTorch has no public check; an
    # absent private one counts as no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def _depthwise(network: nn.Module) -> bool:
    """Whether convolutions with a group for each channel are at least a third of a network's."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    alone = [layer for layer in layers if 1 < layer.groups == layer.in_channels]
    return 3 * len(alone) >= len(layers) > 0


def fastest(
    candidates: Sequence[Way],
    step: Callable[[Way], Callable[[], object]],
    steps: int = STEPS,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Way, dict[Way, float]]:
    """The candidate with the shortest step, and the seconds of each; the first one where none is clearly shorter.

    >>> fastest([Way("bf16"), Way("32")], lambda way: lambda: network(images))

    `step(way)` prepares a candidate; the call that it returns is one step, which has ended when it returns. Of each the
    best of `steps` counts: others' work on the machine only slows.
    """
    found: dict[Way, float] = {}
    for way in candidates:
        with way.on_its_threads():
            once = step(way)
            once()
            found[way] = min(_seconds(once, clock) for _ in range(steps))
            del once
    best = min(found, key=lambda way: found[way])
    first = candidates[0]
    return (best if found[best] < _WORTH * found[first] else first), found


def fewest_workers(
    way: Way,
    load: Callable[[int], Iterator[Item]],
    compute: Callable[[Item], object],
    most: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Way, dict[Way, float]]:
    """The way with the fewest workers beside which a step is as fast as beside more, and a step's seconds with each.

    `load(workers)` is an endless source of what `compute` takes. 0, 1, 2, 4 and 8 workers are tried, `most` at most, and no
    more than clearly win something. Those steps do not count in which the workers' first batches come, all at once.
    """
    found: dict[Way, float] = {}
    for workers in [count for count in _WORKERS if count <= most]:
        one, least = replace(way, workers=workers), min(found.values(), default=math.inf)
        with way.on_its_threads():
            found[one] = _step_seconds(load(workers), compute, workers, clock)
        if workers > 1 and found[one] >= _WORTH * least:  # one may win little where loading takes the longest
            break
    least = min(found.values())
    return next(one for one, seconds in found.items() if _WORTH * seconds <= least), found


def _step_seconds(
    source: Iterator[Item], compute: Callable[[Item], object], workers: int, clock: Callable[[], float]
) -> float:
    for _ in range(max(1, workers)):
        compute(next(source))
    began, steps = clock(), max(STEPS, 2 * workers)
    for _ in range(steps):
        compute(next(source))
    return (clock() - began) / steps


def _seconds(once: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    once()
    return clock() - began


def remembered(
    facts: Mapping[str, Any], measure: Callable[[], tuple[Way, dict[Way, float]]]
) -> tuple[Way, dict[Way, float], bool]:
    """What `measure` finds, or found before for the same `facts`: the way, the seconds of each, and whether before.

    Kept in the user's cache folder, a small file each, which may be removed at any time.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]
    file = cache_folder() / "ways" / f"{key}.json"
    known = _read(file)
    if known is not None:
        return *known, True
    way, seconds = measure()
    timed = [[one.to_json(), taken] for one, taken in seconds.items()]
    with suppress(OSError), written_whole(file) as partial:  # a folder that cannot be written is no reason to stop
        partial.write_text(json.dumps({"way": way.to_json(), "seconds": timed, "of": facts}, indent=1, default=str))
    return way, seconds, False


def _read(file: Path) -> tuple[Way, dict[Way, float]] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Way.from_json(kept["way"]), {Way.from_json(way): float(taken) for way, taken in kept["seconds"]}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def told(way: Way, seconds: Mapping[Way, float], before: bool, what: str) -> str:
    """A choice and what it was chosen from, in one line; `what` is what was timed, such as "a step"."""
    figures = "; ".join(f"{one} {_figure(taken)}" for one, taken in sorted(seconds.items(), key=lambda pair: pair[1]))
    when = "measured here before" if before else "measured"
    return f"{way}: {when}, {what} takes {figures}"


def _figure(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "too inexact"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
