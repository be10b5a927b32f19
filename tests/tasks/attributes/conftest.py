"""A street of sixty people and the attribute run that learned it: made once for all the tests of this folder."""

from __future__ import annotations

import pytest

from resight.data.formats import read_dataset
from resight.recognizer import load
from resight.run import Run
from resight.synthetic import synthesize
from resight.tasks.attributes.evaluation import Result, evaluate
from resight.training import train

QUICK = ["epochs=1", "validation.ratio=0.2", "optimiser.lr=0.002", "rates={}"]


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dataset as a command takes it."""
    folder = tmp_path_factory.mktemp("attributes") / "street"
    synthesize(folder, identities=60, test_identities=20, images_per_camera=3, cameras=3, size=(32, 16))
    return f"market1501:{folder}"


@pytest.fixture(scope="session")
def run(street: str, tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """ResNet of the third source: twelve attributes, two cameras, junk."""
    folder = tmp_path_factory.mktemp("attributes") / "run"
    recipe = tiny(*QUICK, recipe="attributes-resnet18")
    return train(recipe, read_dataset(street), folder, data=[street], quiet=True)


@pytest.fixture(scope="session")
def evaluated(run: Run, street: str) -> Result:
    """The run on its own data: train, validation, test."""
    return evaluate(load(run.folder), read_dataset(street), trained_here=True)
