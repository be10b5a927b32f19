"""What is frozen stays as it is to the bit, statistics and all, and learns from the epoch on that the recipe says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from resight.engine.freezing import frozen_in, require_freezable
from resight.errors import RecipeError
from resight.recipe import load_recipe
from resight.records import ReidDataset
from resight.run import build_model
from resight.training import check, train
from tests.support.runs import weights


def start(recipe, classes: int) -> dict[str, Tensor]:  # type: ignore[no-untyped-def]
    """The weights that a training begins with."""
    torch.manual_seed(recipe.seed)
    return build_model(recipe, classes).state_dict()


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}


def test_epochs_are_counted_from_the_first() -> None:
    freeze = {"trunk": 2, "neck": "always"}
    assert [frozen_in(freeze, epoch) for epoch in (0, 1, 2)] == [{"trunk", "neck"}, {"trunk", "neck"}, {"neck"}]


def test_a_part_is_frozen_by_a_word_that_a_shell_leaves_whole() -> None:
    assert load_recipe("reid-strong-baseline", ["freeze.trunk=5"]).freeze == {"trunk": 5}


@pytest.mark.slow
def test_a_frozen_trunk_keeps_weights_and_statistics(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=2", "freeze={trunk: always}", "loggers=[]")
    before = start(recipe, 6)
    after = weights(train(recipe, crowd, tmp_path / "run", quiet=True).folder)
    moved = changed(before, after)
    assert not {name for name in moved if name.startswith("backbone.trunk")}
    assert {"neck.running_mean", "classifier.weight"} <= moved


@pytest.mark.slow
def test_a_part_learns_once_it_is_thawed(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny("epochs=2", "freeze={backbone.trunk.layer: 1, backbone.trunk.conv1: always}", "loggers=[]")
    before = start(recipe, 6)
    moved = changed(before, weights(train(recipe, crowd, tmp_path / "run", quiet=True).folder))
    assert not {name for name in moved if name.startswith("backbone.trunk.conv1")}
    batches = weights(tmp_path / "run")["backbone.trunk.layer1.0.bn1.num_batches_tracked"]
    others = weights(tmp_path / "run")["neck.num_batches_tracked"]
    assert batches == others / 2, "statistics too are of the second epoch alone"
    assert "backbone.trunk.layer4.0.conv1.weight" in moved


@pytest.mark.parametrize(
    ("freeze", "told"),
    [
        ("{stem: 2}", r"freeze\.stem: no parameter's name begins so; there is: backbone\.trunk"),
        ("{trunk: 0}", r"freeze\.trunk.* greater than or equal to 1"),
        ("{trunk: never}", r"freeze\.trunk"),
        ("{backbone: 1, neck: always, classifier: 3}", "every part is frozen in the first epoch"),
    ],
)
def test_what_cannot_be_frozen_is_said_before_the_training(freeze: str, told: str, crowd: ReidDataset, tiny) -> None:
    with pytest.raises(RecipeError, match=told) as caught:
        check(tiny(f"freeze={freeze}"), crowd)
    assert "\n" not in str(caught.value)


def test_without_freeze_there_is_nothing_to_require() -> None:
    require_freezable({}, [])
