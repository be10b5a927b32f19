"""Attribute recognition learns: each recogniser beats the majority guess on people it has never seen.

Budget: four trainings of 5 or 6 epochs on 2,700 pictures of 64 x 32, together less than four minutes on two cores.
Many people with few pictures each: with few people, networks learn who somebody is and infer the rest.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from resight.data.formats import read_dataset
from resight.data.formats.manifest import write_manifest
from resight.data.loaders import Batch
from resight.data.summary import attribute_counts
from resight.data.training_set import TrainingSet
from resight.errors import DataError, RunError
from resight.recognizer import load
from resight.records import AttributeSchema, Record, ReidDataset
from resight.run import Run
from resight.synthetic import synthesize
from resight.tasks.attributes.evaluation import Result, evaluate
from resight.tasks.attributes.system import AttributeSystem
from resight.training import train
from tests.support.commands import command, resight
from tests.support.processes import fitted_by_two
from tests.support.recipes import tiny_overrides, tiny_recipe
from tests.support.runs import assert_equal_weights, metrics

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
SINGLE = ["model.heads=single", "model.binary_outputs=1", "losses.attributes.outputs=sigmoid"]
RECOGNISERS = [
    ("attributes-multihead", ["epochs=5"]),
    ("attributes-multihead", ["epochs=5", *SINGLE]),
    ("attributes-residual-cnn", ["epochs=6", "model.channels=[16, 32]", "model.hidden=64"]),
    ("attributes-resnet18", ["epochs=6", "rates={}", "attributes.cameras=[1]"]),
]


QUICK = ["epochs=1", "validation.ratio=0.2", "optimiser.lr=0.002"]


@pytest.fixture(scope="module")
def many_people(tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
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
@pytest.mark.parametrize(("name", "own"), RECOGNISERS, ids=["heads", "single-head", "residual-cnn", "resnet18"])
def test_every_recogniser_beats_the_majority_guess(
    name: str, own: list[str], many_people: ReidDataset, tiny, tmp_path: Path
) -> None:
    names = even_attributes(many_people)
    assert len(names) >= 3, "else the test would say little"
    recipe = tiny(*LEARNING, *own, recipe=name)
    run = train(recipe, many_people, tmp_path / "run", quiet=True)
    model = load(run.folder)
    found = evaluate(model, many_people, trained_here=True)
    assert_learned(found, names)
    if name == "attributes-resnet18":
        junk = found.splits["validation"].scores.attributes["junk"]
        assert junk.recall > 0.75, "random parts are told from people"
        assert found.splits["validation"].scores.attributes["camera-1"].recall > 0.9, "places are told apart"


def test_the_schema_travels_with_the_run(run: Run, street: str) -> None:
    model = load(run.folder)
    assert model.schema == run.schema
    assert model.schema.names[-3:] == ("camera-1", "camera-2", "junk")
    found = model.recognise([record.path for record in read_dataset(street).train[:5]])
    assert {name: values.shape for name, values in found.items()} == {
        name: (5, len(classes)) for name, classes in model.schema.classes.items()
    }
    for values in found.values():
        np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
    with pytest.raises(RunError, match="recognises attributes and makes no embeddings"):
        model.embed([np.zeros((32, 16, 3), np.uint8)])
    assert run.trained_on([street])
    assert not run.trained_on(["market1501:/elsewhere"])


@pytest.mark.slow
def test_a_killed_attribute_run_resumes_to_equal_weights(street: str, tmp_path: Path) -> None:
    # Target weights that adapt are the state that could be lost.
    recipe = ["attributes-resnet18", *tiny_overrides("attributes-resnet18"), *QUICK, "rates={}", "epochs=4"]
    subprocess.run(command("train", *recipe, "--data", street, "--out", str(tmp_path / "whole")), check=True)
    victim = subprocess.Popen(command("train", *recipe, "--data", street, "--out", str(tmp_path / "cut")))
    while not (tmp_path / "cut" / "metrics.csv").exists() or len(metrics(tmp_path / "cut")) < 2:
        assert victim.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    victim.kill()
    victim.wait()
    subprocess.run(command("train", "--resume", str(tmp_path / "cut")), check=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")
    figures = [
        {key: row[key] for key in row if key not in ("seconds", "data/wait")} for row in metrics(tmp_path / "whole")
    ]
    assert figures == [
        {key: row[key] for key in row if key not in ("seconds", "data/wait")} for row in metrics(tmp_path / "cut")
    ]


def test_the_first_look_without_a_lower_loss_ends_the_residual_networks_training(
    street: str, tiny, tmp_path: Path
) -> None:
    quick = ["epochs=20", "validation.ratio=0.2", "validation.every=2", "optimiser.lr=0.01"]
    run = train(tiny(*quick, recipe="attributes-residual-cnn"), read_dataset(street), tmp_path / "run", quiet=True)
    looks = [(int(row["epoch"]), float(row["val/loss"])) for row in metrics(run.folder) if row["val/loss"]]
    epochs, losses = zip(*looks, strict=True)
    assert list(epochs) == list(range(2, epochs[-1] + 1, 2))
    assert len(metrics(run.folder)) == epochs[-1] < 20
    assert list(losses[:-1]) == sorted(losses[:-1], reverse=True), "each lower than the one before"
    assert losses[-1] >= losses[-2]


def test_what_cannot_be_learned_is_named_before_anything_is_written(street: str, tiny, tmp_path: Path) -> None:
    """The other refusals are those of `divide`: tests/data/test_training_set.py."""
    dataset = read_dataset(street)
    bare = replace(dataset, train=[replace(record, attributes={}) for record in dataset.train])
    with pytest.raises(DataError, match="none of its training identities is annotated"):
        train(tiny(*QUICK, recipe="attributes-residual-cnn"), bare, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_people_without_annotation_are_named_and_left_out(street: str, tiny, tmp_path: Path) -> None:
    dataset = read_dataset(street)
    first = dataset.train[0].identity
    some = [replace(record, attributes={}) if record.identity == first else record for record in dataset.train]
    recipe = tiny(*QUICK, recipe="attributes-residual-cnn")
    told: list[str] = []
    run = train(recipe, replace(dataset, train=some), tmp_path / "run", quiet=True, tell=told.append)
    assert [line for line in told if f"1 identity without attributes left out: {first}" in line]
    assert run.finished


def test_any_manifest_with_attribute_columns_trains(crowd: ReidDataset, tmp_path: Path, capsys) -> None:
    """Somebody else's attributes need no code: the schema is what the manifest has."""
    made = [
        replace(r, attributes={"side.x": "even" if r.identity % 2 else "odd", "size": str(r.identity % 3)})
        for r in crowd.train
    ]
    write_manifest(tmp_path / "m.csv", ReidDataset("own", train=made))
    recipe = ["attributes-residual-cnn", *tiny_overrides("attributes-residual-cnn"), "epochs=1"]
    options = ["--data", f"manifest:{tmp_path / 'm.csv'}", "--out", tmp_path / "run"]
    status, _, err = resight("train", *recipe, *options, capsys=capsys)
    assert status == 0, err
    assert load(tmp_path / "run").schema.classes == {"side.x": ("even", "odd"), "size": ("0", "1", "2")}


def test_vehicles_colour_and_type_train(tiny, tmp_path: Path) -> None:
    synthesize(tmp_path / "road", kind="vehicles", identities=24, images_per_camera=2, cameras=3, size=(32, 32))
    dataset = read_dataset(f"veri776:{tmp_path / 'road'}")
    recipe = tiny(*QUICK, "image.width=32", recipe="attributes-residual-cnn")
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    assert run.schema.names == ("color", "type")
    assert evaluate(load(run.folder), dataset, trained_here=True).splits["test"].scores.attributes["type"].images > 0


LOOKS = AttributeSchema(dict.fromkeys(("hat", "bag", "hair"), ("no", "yes")))
WRONG = {0: {"hat": (0, 1, 2), "bag": (0, 3), "hair": ()}, 1: {"hat": (), "bag": (1, 2), "hair": (1, 2, 3)}}
"""Process -> attribute -> its batches of four that are recognised wrongly: to the first process hats are worst, to the second
hair; together they have seen bags wrong most often."""


class Brightness(nn.Module):
    """Says yes to each attribute of a bright image."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def recognise(self, images: Tensor) -> dict[str, Tensor]:
        return dict.fromkeys(LOOKS.names, images.mean((1, 2, 3))[:, None] * self.scale)


class InTwoProcesses(AttributeSystem):
    """Trains on batches of its process, and writes its weights of the targets down."""

    def train_dataloader(self) -> DataLoader[Batch]:
        pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
        none = torch.zeros(2, dtype=torch.int64)
        made = []
        for number in range(4):
            wrong = [number in WRONG[self.global_rank][name] for name in LOOKS.names]
            targets = torch.tensor([[int(bright != other) for other in wrong] for bright in (False, True)])
            made.append(Batch(pixels, none, none, targets, pixels[:, :0], none, torch.arange(2), none.bool(), []))
        return DataLoader(made, batch_size=None, collate_fn=lambda batch: batch)  # type: ignore[arg-type]

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        weights = self.losses["attributes"].target_weight.tolist()  # type: ignore[union-attr, operator]
        (Path(self.trainer.default_root_dir) / str(self.global_rank)).write_text(str(weights))


@pytest.mark.slow
def test_two_processes_weigh_the_targets_by_what_both_have_seen(tmp_path: Path) -> None:
    recipe = tiny_recipe("rates={}", "attributes={}", "optimiser.lr=1e-9", recipe="attributes-resnet18")
    seen = TrainingSet([Record("a.jpg", 1)], [], [], LOOKS, np.zeros((1, 3), np.int64), frozenset())
    fitted_by_two(InTwoProcesses(recipe, Brightness(), seen), tmp_path)
    for rank in range(2):
        assert json.loads((tmp_path / str(rank)).read_text()) == pytest.approx([1 / 3, 1.1 / 3, 1 / 3]), rank
