"""The losses of a recipe, each with its weight."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Mapping, ValuesView
from typing import TYPE_CHECKING

from torch import Tensor, nn

from resight.errors import RecipeError
from resight.losses.base import Loss
from resight.recipe import Options, make

__all__ = ["WeightedLosses"]


class WeightedLosses(nn.ModuleDict):
    """The losses of a recipe's `losses` section by label, and their `weights`; a weight of 0 switches a loss off.

    >>> losses = WeightedLosses(recipe.losses, LOSSES, num_classes=751, dim=2048)
    >>> losses.weighed({label: loss(features, ids) for label, loss in losses.items()})

    The label is the loss's name unless its section has one; `given` are the parameters that the program supplies.
    Raises RecipeError for an invalid weight, or when all weights are 0.
    """

    weights: dict[str, float]

    def __init__(self, sections: Mapping[str, Options], table: Mapping[str, Callable[..., Loss]], **given: object):
        super().__init__()
        self.weights = {}
        for label, section in sections.items():
            options = {"name": label, **section}
            weight = options.pop("weight", 1.0)
            if not isinstance(weight, int | float) or not weight >= 0:
                raise RecipeError(f"losses.{label}.weight = {weight!r}: a number of at least 0")
            if weight:
                loss = make(table, options, f"losses.{label}", **given)
                if not isinstance(loss, Loss):
                    kind = type(loss).__name__
                    raise RecipeError(f"losses.{label}: {kind} is no loss; derive it from resight.losses.base.Loss")
                self[label], self.weights[label] = loss, float(weight)
        if not self.weights:
            raise RecipeError("losses: every weight is 0; give one loss a weight")

    def weighed(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses' values by label, each times its weight."""
        return {label: self.weights[label] * value for label, value in values.items()}

    if TYPE_CHECKING:  # nn.ModuleDict's methods, typed for losses

        def __getitem__(self, key: str) -> Loss: ...
        def items(self) -> ItemsView[str, Loss]: ...
        def values(self) -> ValuesView[Loss]: ...
