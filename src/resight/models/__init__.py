"""Networks. A model is one file and one line in this table."""

from collections.abc import Callable

from torch import nn

from resight.models.strong_baseline import StrongBaseline

__all__ = ["MODELS"]

MODELS: dict[str, Callable[..., nn.Module]] = {
    "strong-baseline": StrongBaseline,
}
