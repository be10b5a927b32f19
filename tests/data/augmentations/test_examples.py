"""Examples for the eye: each augmentation alone and applied for certain, then all of them as in training."""

from __future__ import annotations

import pytest
import torch

from resight.data.augmentations import augmented, build_augmentation
from resight.data.augmentations.examples import examples
from resight.errors import RecipeError
from resight.recipe import ImageOptions
from tests.support.augmenting import noise

OPTIONS = ImageOptions(height=48, width=24)


def test_examples_show_each_alone_for_certain_and_all_by_chance() -> None:
    image = noise(48, 24)
    sections: dict[str, dict] = {"flip": {}, "equalise": {"probability": 0}}
    rows = examples(sections, OPTIONS, image, draws=5, seed=3)
    assert list(rows) == ["original", "flip (0.5)", "equalise (0)", "all, as in training"]
    assert [len(pictures) for pictures in rows.values()] == [1, 5, 5, 5]
    assert all(torch.equal(made, image.flip(2)) for made in rows["flip (0.5)"])
    assert not any(torch.equal(made, image) for made in rows["equalise (0)"])
    chain = build_augmentation(sections, OPTIONS)
    assert all(
        torch.equal(made, augmented(image, chain, seed)) for seed, made in enumerate(rows["all, as in training"], 3)
    )


def test_what_is_always_applied_has_no_brackets() -> None:
    rows = examples({"pad-crop": {}, "flip": {"probability": 1.0}}, OPTIONS, noise(48, 24), draws=1)
    assert list(rows) == ["original", "pad-crop", "flip", "all, as in training"]


def test_a_recipe_that_augments_nothing_shows_the_image_twice() -> None:
    image = noise(48, 24)
    rows = examples({}, OPTIONS, image, draws=1)
    assert [torch.equal(pictures[0], image) for pictures in rows.values()] == [True, True]


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(RecipeError, match="did you mean 'flip'"):
        examples({"flipp": {}}, OPTIONS, noise(48, 24))
    with pytest.raises(RecipeError, match="padding = -1"):
        examples({"pad-crop": {"padding": -1}}, OPTIONS, noise(48, 24))
