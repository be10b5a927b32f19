"""Attribute recognition learns: each recogniser beats the majority guess on people it has never seen.

Budget: three trainings of 5 or 6 epochs on 2,700 pictures of 64 x 32, together less than three minutes on two cores.
Many people with few pictures each: with few people, networks learn who somebody is and infer the rest.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.data.summary import attribute_counts
from resight.recognizer import load
from resight.records import ReidDataset
from resight.synthetic import synthesize
from resight.tasks.attributes.evaluation import Result, evaluate
from resight.training import train

LEARNING = [
    "image.height=64",
    "image.width=32",
    "loader.cache=true",
    "validation.ratio=0.2",
    "validation.patience=0",
    "validation.monitor=balanced",
    "optimiser.lr=0.002",
    "sampler.batch_size=32",
]
RECOGNISERS = {
    "attributes-multihead": ["epochs=5"],
    "attributes-residual-cnn": ["epochs=6", "model.channels=[16, 32]", "model.hidden=64"],
    "attributes-resnet18": ["epochs=6", "rates={}", "attributes.cameras=[1]"],
}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    folder = tmp_path_factory.mktemp("street") / "people"
    sizes = {"identities": 700, "test_identities": 10, "cameras": 2, "images_per_camera": 2, "size": (64, 32)}
    synthesize(folder, **sizes, junk=0, distractors=0)
    return read_dataset(f"market1501:{folder}")


def even_attributes(dataset: ReidDataset) -> list[str]:
    """Attributes whose rarest class has at least a fifth of the people."""
    counts = attribute_counts(dataset.train, dataset.schema, "identities")
    return [name for name, classes in counts.items() if min(classes.values()) >= 0.2 * sum(classes.values())]


def assert_learned(found: Result, names: list[str]) -> None:
    judged = found.splits["validation"]
    ours = {name: judged.scores.attributes[name].recall for name in names}
    guess = {name: judged.majority.attributes[name].recall for name in names}
    print({name: round(100 * value) for name, value in ours.items()})
    assert all(ours[name] > guess[name] for name in names)
    mean = sum(ours[name] - guess[name] for name in names) / len(names)
    print(f"balanced accuracy above the majority guess: {100 * mean:.1f} points in the mean")
    assert mean >= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", RECOGNISERS)
def test_every_recogniser_beats_the_majority_guess(name: str, street: ReidDataset, tiny, tmp_path: Path) -> None:
    names = even_attributes(street)
    assert len(names) >= 3, "else the test would say little"
    recipe = tiny(*LEARNING, *RECOGNISERS[name], recipe=name)
    run = train(recipe, street, tmp_path / "run", quiet=True)
    model = load(run.folder)
    found = evaluate(model, street, trained_here=True)
    assert_learned(found, names)
    if name == "attributes-resnet18":
        junk = found.splits["validation"].scores.attributes["junk"]
        assert junk.recall > 0.75, "random parts are told from people"
        assert found.splits["validation"].scores.attributes["camera-1"].recall > 0.9, "places are told apart"
