"""Learning-rate schedules: functions epoch -> factor on the optimiser's rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

__all__ = ["SCHEDULES"]

Schedule = Callable[[int], float]


def constant(warmup_epochs: int = 0, warmup_factor: float = 0.01) -> Schedule:
    """The optimiser's rate throughout, after the warm-up."""
    return _warmed(lambda epoch: 1.0, warmup_epochs, warmup_factor)


def multi_step(
    milestones: Sequence[int], gamma: float = 0.1, warmup_epochs: int = 0, warmup_factor: float = 0.01
) -> Schedule:
    """Multiply by `gamma` at each milestone (epochs), after a linear warm-up from `warmup_factor`."""
    steps = sorted(milestones)
    return _warmed(lambda epoch: gamma ** bisect_right(steps, epoch), warmup_epochs, warmup_factor)


def cosine(epochs: int, final_factor: float = 0.0, warmup_epochs: int = 0, warmup_factor: float = 0.01) -> Schedule:
    """Half a cosine from 1 down to `final_factor` over the run, after a linear warm-up."""

    def factor(epoch: int) -> float:
        progress = min(1.0, (epoch - warmup_epochs) / max(1, epochs - warmup_epochs))
        return final_factor + (1 - final_factor) * (1 + math.cos(math.pi * progress)) / 2

    return _warmed(factor, warmup_epochs, warmup_factor)


def _warmed(schedule: Schedule, epochs: int, start: float) -> Schedule:
    # Linear in the epoch from `start` at epoch 0 to 1 at `epochs`: WarmupMultiStepLR of the strong baseline's code.
    return lambda epoch: schedule(epoch) * (start + (1 - start) * min(1.0, epoch / epochs) if epochs else 1.0)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "multi-step": multi_step,
    "cosine": cosine,
}
