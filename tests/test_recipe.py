"""Recipes: what is checked, what a wrong key is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest

from resight.errors import RecipeError
from resight.recipe import OneOf, Recipe, built_in_recipes, load_recipe, make, override, read_yaml


class Hard:
    def __init__(self, k: int = 5) -> None:
        self.k = k


class Loss:
    def __init__(
        self, classes: int, margin: float = 0.3, kind: Literal["plain", "squared"] = "plain",
        mining: Annotated[Hard | None, OneOf({"hard": Hard})] = None,
    ) -> None:  # fmt: skip
        self.classes, self.margin, self.kind, self.mining = classes, margin, kind, mining


TABLE = {"loss": Loss}


def test_make_builds_with_given_and_nested_parts() -> None:
    built = make(TABLE, {"name": "loss", "margin": "1e-3", "mining": {"name": "hard", "k": 9}}, "losses.x", classes=7)
    assert (built.classes, built.margin, built.mining.k) == (7, 0.001, 9)
    assert make(TABLE, {"name": "loss", "mining": "hard"}, "losses.x", classes=7).mining.k == 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "los"}, "did you mean 'loss'"),
        ({"name": "loss", "margn": 1}, "did you mean 'margin'"),
        ({"name": "loss", "classes": 3}, "unknown key 'classes'"),  # what the program gives, a recipe cannot
        ({"name": "loss", "margin": "wide"}, "margin = 'wide'"),
        ({"name": "loss", "kind": "cubed"}, "'plain' or 'squared'"),
        ({"name": "loss", "mining": {"name": "hard", "kk": 1}}, "did you mean 'k'"),
        ({"name": "loss", "mining": "soft"}, "no 'soft'"),
    ],
)
def test_make_names_what_is_wrong(options: dict[str, object], told: str) -> None:
    with pytest.raises(RecipeError, match="losses.x") as caught:
        make(TABLE, options, "losses.x", classes=7)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_key_lists_the_nearest_and_the_valid_ones() -> None:
    with pytest.raises(
        RecipeError, match=r"unknown key 'epoch' \(did you mean 'epochs'\?\); there is: system, source, seed, epochs"
    ):
        load_recipe("reid-strong-baseline", ["epoch=3"])
    with pytest.raises(RecipeError, match="did you mean 'height'"):
        load_recipe("reid-strong-baseline", ["image.hieght=3"])
    with pytest.raises(RecipeError, match=r"epochs = 'many'"):
        load_recipe("reid-strong-baseline", ["epochs=many"])


@pytest.mark.parametrize("override", ["image.std=[0,0,0]", "image.mean=[.inf,0,0]", "image.std=[.nan,1,1]"])
def test_images_are_not_normalised_into_numbers_that_are_not_finite(override: str) -> None:
    with pytest.raises(RecipeError, match=r"image\.(std|mean)"):
        load_recipe("reid-strong-baseline", [override])


def test_an_options_number_is_finite() -> None:
    with pytest.raises(RecipeError, match=r"lr = .*inf"):
        make({"adam": _Rated}, {"name": "adam", "lr": float("inf")}, "optimiser")


class _Rated:
    def __init__(self, lr: float) -> None:
        self.lr = lr


def test_unknown_recipe_is_told_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'reid-strong-baseline'"):
        load_recipe("reid-strong-baselin")


def test_overrides_keep_the_order_in_which_a_recipe_augments() -> None:
    recipe = load_recipe("reid-strong-baseline", ["augmentation.erasing.probability=0.3", "augmentation.equalise={}"])
    assert list(recipe.augmentation) == ["flip", "pad-crop", "erasing", "equalise"]


def test_overrides_change_nested_values_and_leave_the_original() -> None:
    values = {"a": {"b": 1}, "c": "name"}
    changed = override(values, ["a.b=2", "c.k=1e-4", "d.e.f=[1, 2]"])
    assert changed == {"a": {"b": 2}, "c": {"name": "name", "k": 1e-4}, "d": {"e": {"f": [1, 2]}}}
    assert values == {"a": {"b": 1}, "c": "name"}
    for bad in ("epochs", "=3", "a.b.c=1"):
        with pytest.raises(RecipeError):
            override(values, [bad])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("1E5", 100000.0),
        ("-2.5e3", -2500.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        (".inf", float("inf")),
        ("1_000", 1000),
        ("0x10", 16),
        ("[1e-4, {a: 1e-3}]", [0.0001, {"a": 0.001}]),
        ("'1e-4'", "1e-4"),
        ("5e", "5e"),
        ("e5", "e5"),
        ("1e4x", "1e4x"),
        ("0x", "0x"),
        ("0002", "0002"),
        ("4:16", "4:16"),
        ("1e-5:1e-3:log", "1e-5:1e-3:log"),
        ("2024-01-31", "2024-01-31"),
        ("2024-99-99", "2024-99-99"),
    ],
)
def test_yaml_reads_numbers_as_people_write_them(text: str, value: object) -> None:
    assert read_yaml(text) == value
    assert type(read_yaml(text)) is type(value)
    assert override({}, [f"a.b={text}"]) == {"a": {"b": value}}


def test_a_name_that_looks_like_a_number_survives_a_recipe_file(tmp_path: Path) -> None:
    names = ["1e-4", "1E5", "-.5", "0x10", "4:16", "010", "2024-01-31", "yes", "null", "12"]
    recipe = load_recipe("attributes-multihead")
    recipe = Recipe.parse({**recipe.model_dump(), "attributes": {"classes": {"hat": names}}})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_a_number_in_a_recipe_file_is_one_wherever_it_stands(tmp_path: Path) -> None:
    text = load_recipe("reid-strong-baseline").to_yaml()
    assert "weight: 0.0005" in text
    (tmp_path / "recipe.yaml").write_text(text.replace("weight: 0.0005", "weight: 5e-4"))
    recipe = load_recipe(tmp_path / "recipe.yaml", ["optimiser={name: adam, lr: 3e-4}"])
    assert recipe.losses["centre"]["weight"] == 0.0005
    assert recipe.optimiser["lr"] == 0.0003


@pytest.mark.parametrize("name", built_in_recipes())
def test_built_in_recipes_survive_a_round_trip_through_yaml(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml())
    assert load_recipe(file) == recipe
    head = built_in_recipes()[name].read_text().split("\nsystem:")[0]
    assert f"resight train {name}" in head, "a recipe opens with its command"
    assert "Published" in head, "a recipe says which result to expect"


def test_files_that_are_no_recipes_are_refused(tmp_path: Path) -> None:
    for text in ("just words", "a: [1", "- 1"):
        file = tmp_path / "bad.yaml"
        file.write_text(text)
        with pytest.raises(RecipeError, match="bad.yaml"):
            load_recipe(file)


def test_a_recipe_cannot_name_python_objects(tmp_path: Path) -> None:
    file = tmp_path / "evil.yaml"
    file.write_text("system: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(RecipeError, match="not YAML"):
        load_recipe(file)
    values = load_recipe("reid-strong-baseline").model_dump()
    with pytest.raises(RecipeError, match="no 'os.system'"):
        make(TABLE, {"name": "os.system"}, "model", classes=1)
    assert Recipe.parse(values).seed == 0
