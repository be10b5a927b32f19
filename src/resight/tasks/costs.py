"""What a model costs, so that accuracy is read against it: size, arithmetic, and speed on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from resight.models.cost import multiply_adds, parameters, use_of
from resight.recognizer import Recognizer
from resight.runtimes.network import Exported
from resight.views.tables import Table

__all__ = ["BATCHES", "Cost", "cost", "cost_cells", "cost_table"]

BATCHES = (1, 64)
"""Images at a time: as a camera gives them, and as a gallery is embedded."""
_SECONDS = 0.15
"""How long each speed is measured, and once at least."""
_PATIENCE = 2.0
"""Seconds that one batch may take; a speed that would cost more is not measured."""


@dataclass(frozen=True)
class Cost:
    """What one model costs. None, and nan for a speed, where it is not known."""

    parameters: int | None
    """Those that its use depends on, without a classifier of identities."""
    multiply_adds: int | None
    """For one image."""
    file_bytes: int | None
    images_per_second: dict[int, float] = field(default_factory=dict)
    """Size of a batch -> images a second, from pixels of the network's size to its output, without reading files."""

    def summary(self) -> dict[str, object]:
        """Plain numbers; None where one is not known."""
        speeds = {str(size): None if math.isnan(speed) else speed for size, speed in self.images_per_second.items()}
        return {
            "parameters": self.parameters,
            "multiply-adds": self.multiply_adds,
            "bytes": self.file_bytes,
            "images/s": speeds,
        }


def cost(model: Recognizer, seconds: float = _SECONDS) -> Cost:
    """What a model costs, its speed measured here for about `seconds` at each size of batch."""
    network = model.model
    if isinstance(network, Exported):
        told = network.config
        return Cost(told.parameters, told.multiply_adds, network.file_bytes, _speeds(model, seconds))
    image = model.recipe.image
    return Cost(parameters(network, image), multiply_adds(network, image), _file_bytes(model), _speeds(model, seconds))


def cost_cells(cost: Cost) -> dict[str, str]:
    """Name of a column -> its cell."""
    speeds = {f"images/s at {size}": _number(speed) for size, speed in cost.images_per_second.items()}
    return {
        "parameters": _millions(cost.parameters),
        "multiply-adds": _millions(cost.multiply_adds),
        "file": "–" if cost.file_bytes is None else f"{cost.file_bytes / 1e6:.1f} MB",
        **speeds,
    }


def cost_table(cost: Cost) -> Table:
    """A row for the model, for terminal and page."""
    cells = cost_cells(cost)
    note = (
        "Multiply-adds for one image; images a second here, "
        f"{_device()}, from pixels to output, measured for a fraction of a second."
    )
    return Table(["cost", *cells], [["model", *cells.values()]], note=note + _gaps(cost))


def _gaps(cost: Cost) -> str:
    """What a dash in the table means, where there is one."""
    unknown = None in (cost.parameters, cost.multiply_adds, cost.file_bytes)
    slow = any(map(math.isnan, cost.images_per_second.values()))
    reasons = [
        *(["not known"] if unknown else []),
        *([f"not measured, as such a batch takes more than {_PATIENCE:g} seconds"] if slow else []),
    ]
    return f" –: {'; of images a second '.join(reasons)}." if reasons else ""


def _speeds(model: Recognizer, seconds: float) -> dict[int, float]:
    size, use = model.recipe.image, use_of(model.model)

    @torch.inference_mode()
    def once(batch: int) -> None:
        use(model.prepare(torch.zeros(batch, 3, size.height, size.width, dtype=torch.uint8)))
        if model.device.type == "cuda":
            torch.cuda.synchronize()

    speeds: dict[int, float] = {}
    for batch in BATCHES:
        slowest = min(speeds.values(), default=math.inf)
        speeds[batch] = math.nan if batch / slowest > _PATIENCE else _speed(lambda: once(batch), batch, seconds)  # noqa: B023
    return speeds


def _speed(once: Callable[[], None], batch: int, seconds: float) -> float:
    """Images a second in the best of the passes that fit into `seconds`: others' work on the machine only slows."""
    once()  # the first one also allocates
    best, end = math.inf, time.perf_counter() + seconds
    while True:
        begin = time.perf_counter()
        once()
        now = time.perf_counter()
        best = min(best, now - begin)
        if now >= end:
            return batch / best


def _file_bytes(model: Recognizer) -> int | None:
    weights = Path(model.source) / "model.safetensors" if model.source else None
    return weights.stat().st_size if weights is not None and weights.is_file() else None


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = torch.get_num_threads()
    return "on one core" if cores == 1 else f"on {cores} cores"


def _millions(number: int | None) -> str:
    return "–" if number is None else f"{number / 1e6:,.2f} M" if number < 1e9 else f"{number / 1e9:,.2f} G"


def _number(speed: float) -> str:
    return "–" if math.isnan(speed) else f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"
