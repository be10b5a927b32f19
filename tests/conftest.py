"""Small data and runs that many tests share. People are coloured noise, so that nothing depends on the generator."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Before anything imports torch: tests that run side by side, and the processes that they start, take a core each.
# OpenMP's threads wait for one another busily, so that two on one core are several times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.attributes import MARKET_SCHEMA
from resight.data.formats.manifest import write_manifest
from resight.recipe import Recipe
from resight.records import NO_ATTRIBUTES, AttributeSchema, Record, ReidDataset
from resight.run import Run
from tests.support.recipes import tiny_recipe
from tests.support.runs import untrained_run


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Recipe]:
    """`tiny("epochs=1", recipe="reid-vae")`: a built-in recipe at toy size, with overrides; the strong baseline if none is named."""
    return tiny_recipe


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    """Eight identities of a colour each, two cameras, four images a camera; identities 7 and 8 are the test split."""
    folder = tmp_path_factory.mktemp("crowd")
    random = np.random.default_rng(0)
    splits: dict[str, list[Record]] = {"train": [], "query": [], "gallery": []}
    for identity in range(1, 9):
        colour = random.integers(0, 255, 3)
        for camera in (1, 2):
            for shot in range(4):
                path = folder / f"{identity:04d}_c{camera}s1_{shot:06d}_00.png"
                pixels = np.clip(colour + random.normal(0, 30, (48, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(path)
                split = "train" if identity < 7 else "query" if shot == 0 else "gallery"
                splits[split].append(Record(str(path), identity, camera, frame=shot))
    return ReidDataset("crowd", **splits)


@pytest.fixture(scope="session")
def crowd_spec(crowd: ReidDataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The crowd as --data takes it."""
    file = tmp_path_factory.mktemp("crowd") / "crowd.csv"
    write_manifest(file, crowd)
    return f"manifest:{file}"


@pytest.fixture(scope="session")
def trained(crowd: ReidDataset, crowd_spec: str, tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny strong baseline that was trained on the crowd; a test that writes into its folder makes a copy."""
    from resight.training import train  # late: most tests do without Lightning

    folder = tmp_path_factory.mktemp("trained") / "run"
    return train(tiny("epochs=2"), crowd, folder, data=[crowd_spec], quiet=True)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As --data takes it: four people with masks and Market-1501's attributes, two of them to train on."""
    folder = tmp_path_factory.mktemp("two words") / "people"
    folder.mkdir()
    random = np.random.default_rng(0)
    looks = [
        {name: values[place % len(values)] for name, values in MARKET_SCHEMA.classes.items()} for place in range(4)
    ]
    splits: dict[str, list[Record]] = {"train": [], "query": [], "gallery": []}
    mask = folder / "mask.png"
    Image.fromarray(np.eye(32, 16, dtype=np.uint8) * 255).save(mask)
    for identity in range(1, 5):
        for camera in (1, 2):
            path = folder / f"{identity}_{camera}.png"
            Image.fromarray(random.integers(0, 255, (32, 16, 3), dtype=np.uint8)).save(path)
            split = "train" if identity < 3 else "query" if camera == 1 else "gallery"
            splits[split].append(Record(str(path), identity, camera, attributes=looks[identity - 1], mask=str(mask)))
    write_manifest(folder / "people.csv", ReidDataset("people", **splits))
    return f"manifest:{folder / 'people.csv'}"


@pytest.fixture(scope="session")
def kinds(people: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind that was never trained: embedding, bruna, vae, autoencoder, masks, attributes."""
    folder = tmp_path_factory.mktemp("some runs")
    attributes = AttributeSchema(dict(MARKET_SCHEMA.classes))
    with_junk = AttributeSchema({**attributes.classes, "junk": ("no", "yes")})
    recipes = {
        "embedding": (tiny_recipe(), NO_ATTRIBUTES),
        "bruna": (tiny_recipe("attributes.cameras=[]", recipe="reid-bruna"), with_junk),
        "vae": (tiny_recipe(recipe="reid-vae"), NO_ATTRIBUTES),
        "autoencoder": (tiny_recipe(recipe="junk-autoencoder"), NO_ATTRIBUTES),
        "masks": (tiny_recipe(recipe="segmentation-unet"), NO_ATTRIBUTES),
        "attributes": (tiny_recipe(recipe="attributes-residual-cnn"), attributes),
    }
    torch.manual_seed(0)
    return {
        kind: untrained_run(folder / kind, recipe, 2, schema, [people]).folder
        for kind, (recipe, schema) in recipes.items()
    }


@pytest.fixture(scope="session")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run as an ONNX file, with reid_config.json beside it."""
    from resight.exporting.flow import export  # late: most tests do without ONNX

    return export(trained.folder, tmp_path_factory.mktemp("exported") / "model.onnx").path
