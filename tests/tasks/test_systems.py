"""The name table of training regimes: every recipe's system is in it, and says what it learns and what it wants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resight.engine.system import System
from resight.errors import RunError
from resight.models import abilities
from resight.recipe import built_in_recipes, load_recipe
from resight.records import ReidDataset
from resight.run import Run
from resight.tasks.systems import SYSTEMS, own_training_set


@pytest.mark.parametrize("recipe", built_in_recipes())
def test_every_recipes_system_is_there(recipe: str) -> None:
    assert load_recipe(recipe).system["name"] in SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_says_what_it_learns_from_and_what_its_model_must_do(name: str) -> None:
    system = SYSTEMS[name]
    assert issubclass(system, System)
    assert system.learns <= {"identities", "attributes", "masks"}
    assert system.wants
    assert all(wanted.__name__ in abilities.__all__ for wanted in system.wants)


def test_the_own_training_set_of_a_run_is_known_by_its_images_and_classes(
    trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    assert own_training_set(trained, crowd).fitted == crowd.train
    for other in (crowd.train[1:], [replace(record, identity=record.identity % 5 + 1) for record in crowd.train]):
        with pytest.raises(RunError, match="was not trained on this data"):
            own_training_set(trained, replace(crowd, train=other))
    older = replace(trained, digest=None)
    assert own_training_set(older, crowd).fitted == crowd.train
    with pytest.raises(RunError, match="was not trained on this data"):
        own_training_set(older, replace(crowd, train=crowd.train[8:]))
