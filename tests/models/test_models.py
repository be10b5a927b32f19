"""The table of networks: whatever a re-identification recipe builds comes back from its run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from resight.data.loaders import normalise
from resight.recipe import built_in_recipes, load_recipe
from resight.recognizer import load
from resight.run import Run, build_model


@pytest.mark.parametrize(
    "name", [name for name in built_in_recipes() if load_recipe(name).system["name"] == "embedding"]
)
def test_weights_come_back_from_a_run_folder(name: str, tiny, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = tiny(recipe=name)
    model = build_model(recipe, classes=5)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (4, 32, 16, 3), dtype=np.uint8)
    inputs = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2), recipe.image)
    model.train()(inputs)  # so that BatchNorm has seen something
    run = Run(tmp_path / "run", recipe, classes=5)
    run.folder.mkdir()
    run.save()
    run.save_weights(model)
    with torch.no_grad():
        expected = model.eval().embed(inputs)
    if recipe.retrieval.metric == "cosine":
        expected = torch.nn.functional.normalize(expected)
    np.testing.assert_allclose(load(run.folder).embed(list(pixels)), expected.numpy(), atol=1e-5, rtol=1e-4)
