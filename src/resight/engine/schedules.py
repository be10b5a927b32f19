"""Learning-rate schedules: functions epoch -> factor on the optimiser's rate.

With `warmup_epochs`, a schedule is multiplied over these epochs by a factor that grows linearly from `warmup_factor` to
1 (WarmupMultiStepLR of the strong baseline's code). Epochs are counted from the start of the run, warm-up included;
`linear` and `cosine`, which decay over the whole run, begin after the warm-up.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

__all__ = ["SCHEDULES"]

Schedule = Callable[[int], float]
Epochs = Annotated[int, Field(ge=1)]
WarmUp = Annotated[int, Field(ge=0)]
Factor = Annotated[float, Field(gt=0, le=1)]
Least = Annotated[float, Field(ge=0, le=1)]


def constant(warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01) -> Schedule:
    """The optimiser's rate, unchanged."""
    return _warmed(lambda epoch: 1.0, warmup_epochs, warmup_factor)


def multi_step(
    milestones: Sequence[int], gamma: Factor = 0.1, warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01
) -> Schedule:
    """Multiply by `gamma` at each milestone (epochs)."""
    steps = sorted(milestones)
    return _warmed(lambda epoch: gamma ** bisect_right(steps, epoch), warmup_epochs, warmup_factor)


def step(every: Epochs = 20, gamma: Factor = 0.1, warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01) -> Schedule:
    """Multiply by `gamma` each time `every` epochs have passed."""
    return _warmed(lambda epoch: gamma ** (epoch // every), warmup_epochs, warmup_factor)


def exponential(gamma: Factor = 0.95, warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01) -> Schedule:
    """Multiply by `gamma` after each epoch."""
    return _warmed(lambda epoch: gamma**epoch, warmup_epochs, warmup_factor)


def cyclic(
    period: Annotated[int, Field(ge=2)] = 20,
    lowest: Least = 0.1,
    warmup_epochs: WarmUp = 0,
    warmup_factor: Factor = 0.01,
) -> Schedule:
    """Rise linearly from `lowest` to 1 and fall back, in every `period` epochs ("triangular", Smith 2017)."""

    def factor(epoch: int) -> float:
        height = 1 - abs(2 * (epoch % period) / period - 1)
        return lowest + (1 - lowest) * height

    return _warmed(factor, warmup_epochs, warmup_factor)


def linear(epochs: int, final_factor: Least = 0.0, warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01) -> Schedule:
    """Fall linearly from 1 to `final_factor`, which the epoch after the last one would have."""
    return _decayed(lambda progress: 1 - progress, epochs, final_factor, warmup_epochs, warmup_factor)


def cosine(epochs: int, final_factor: Least = 0.0, warmup_epochs: WarmUp = 0, warmup_factor: Factor = 0.01) -> Schedule:
    """Fall by half a cosine from 1 to `final_factor`, which the epoch after the last one would have."""

    def fall(progress: float) -> float:
        return (1 + math.cos(math.pi * progress)) / 2

    return _decayed(fall, epochs, final_factor, warmup_epochs, warmup_factor)


def _decayed(
    fall: Callable[[float], float], epochs: int, final: float, warmup_epochs: int, warmup_factor: float
) -> Schedule:
    """Decay from 1 to `final` after the warm-up; `fall` maps progress from 0 to 1 to a height from 1 to 0."""

    def factor(epoch: int) -> float:
        progress = (epoch - warmup_epochs) / max(1, epochs - warmup_epochs)
        return final + (1 - final) * fall(min(1.0, max(0.0, progress)))

    return _warmed(factor, warmup_epochs, warmup_factor)


def _warmed(schedule: Schedule, epochs: int, start: float) -> Schedule:
    return lambda epoch: schedule(epoch) * (start + (1 - start) * min(1.0, epoch / epochs) if epochs else 1.0)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "multi-step": multi_step,
    "step": step,
    "exponential": exponential,
    "cyclic": cyclic,
    "linear": linear,
    "cosine": cosine,
}
