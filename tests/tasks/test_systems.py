"""The name table of training regimes: every recipe's system is in it, and says what it learns and what it wants."""

from __future__ import annotations

import pytest

from resight.engine.system import System
from resight.models import abilities
from resight.recipe import built_in_recipes, load_recipe
from resight.tasks.systems import SYSTEMS


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
