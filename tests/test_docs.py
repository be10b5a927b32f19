"""The pages speak of what is there: every name in docs/house.md exists, and every room has its line."""

from __future__ import annotations

import inspect
import re

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from resight.data.samplers import SAMPLERS
from resight.engine.optimisers import OPTIMISERS
from resight.losses import LOSSES
from resight.models import MODELS
from resight.recipe import Recipe
from tests.house import ROOT, SOURCE, root_files
from tests.support.names import found

PAGE = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")


def test_every_name_on_the_page_of_the_house_exists() -> None:
    names = set(re.findall(r"`(resight(?:\.\w+)+)`", PAGE))
    assert len(names) > 40
    for name in names:
        assert found(name) is not None, name


def test_every_room_has_its_line() -> None:
    table = PAGE.split("## The rooms")[1].split("A task is a folder")[0]
    folders = {path.name for path in (SOURCE / "resight").iterdir() if (path / "__init__.py").is_file()}
    for folder in folders:
        assert f"`{folder}/`" in table, folder
    for file in set(root_files()) - {"__init__", "__main__"}:
        assert f"`{file}.py`" in table, file


def test_every_task_is_named() -> None:
    tasks = {path.name for path in (SOURCE / "resight" / "tasks").iterdir() if (path / "__init__.py").is_file()}
    for task in tasks:
        assert f"`{task}`" in PAGE, task


RECIPES = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """The sections of the page of recipes: title -> text."""
    parts = re.split(r"^#{2,3} (.+)$", RECIPES, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def is_section(field: FieldInfo) -> bool:
    return inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel)


def test_every_key_of_a_recipe_stands_on_the_page_and_means_something() -> None:
    keys: dict[str, set[str]] = {}
    for title, text in sections().items():
        told, _, table = text.partition("| key | default | |")
        for key, meaning in re.findall(r"^\| `([\w.]+)` \| .*? \| (.*) \|$", table, flags=re.MULTILINE):
            assert key not in ("rank", "world", "seed") or title == "Top level", "not a recipe's to say"
            assert meaning or f"`{key}" in told, (
                f"{title}: {key} has no meaning; give it a description, or docs/generate.py"
            )
            keys.setdefault(title, set()).add(key)
    inner = {name: field.annotation.model_fields for name, field in Recipe.model_fields.items() if is_section(field)}
    assert keys["Top level"] == Recipe.model_fields.keys() - inner.keys()
    for name, fields in inner.items():
        assert keys[name] == {f"{name}.{key}" for key in fields}
    for name, table in (("model", MODELS), ("sampler", SAMPLERS), ("losses", LOSSES), ("optimiser", OPTIMISERS)):
        for entry in table:
            assert f"{name}: {entry}" in sections(), "every part has its section"
    assert sum(map(len, keys.values())) > 150


def test_examples_in_yaml_are_yaml() -> None:
    found = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "scale.md").read_text(encoding="utf-8"), re.DOTALL)
    (job,) = (yaml.safe_load(text) for text in found)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][:2] == ["resight", "embed"]
    assert job["spec"]["completions"] == int(container["env"][0]["value"]) == 8
