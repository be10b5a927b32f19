"""A training that is cut in its second epoch and resumed, beside one that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from resight.recipe import Recipe
from resight.records import ReidDataset
from resight.tasks.systems import SYSTEMS
from resight.training import resume, train
from tests.support.runs import metrics


class Cut(Exception):  # noqa: N818
    """In the place of a power cut."""


def assert_resumes_to_the_same(
    recipe: Recipe, dataset: ReidDataset, folder: Path, between: Callable[[], object] = lambda: None
) -> dict[str, torch.Tensor]:
    """Weights, buffers, logged figures and all of `folder`'s runs `whole` and `cut` are equal; returns the weights. `between` runs after the cut."""
    train(recipe, dataset, folder / "whole", quiet=True)
    system = SYSTEMS[recipe.system["name"]]
    step = system.step

    def cut(self, *given):  # type: ignore[no-untyped-def]
        if self.current_epoch == 1:
            raise Cut
        return step(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system, "step", cut)
        with pytest.raises(Cut):
            train(recipe, dataset, folder / "cut", quiet=True)
    between()
    resume(folder / "cut", dataset, quiet=True)
    whole, again = (
        torch.load(folder / name / "last.ckpt", weights_only=True)["state_dict"] for name in ("whole", "cut")
    )
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    figures, again_figures = (
        [
            {name: value for name, value in row.items() if name not in ("seconds", "data/wait")}
            for row in metrics(folder / name)
        ]
        for name in ("whole", "cut")
    )
    assert figures == again_figures
    return whole
