"""Training autoencoders: what is logged, drawn and kept, with labels and without identities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.formats import read_dataset
from resight.errors import RecipeError
from resight.recognizer import Recognizer, load
from resight.records import UNLABELLED, AttributeSchema, ReidDataset
from resight.run import build_model
from resight.synthetic import synthesize
from resight.tasks.reid.evaluation import evaluate
from resight.training import train
from tests.support.runs import metrics

SHORT = ["epochs=2", "sampler.batch_size=8", "validation.ratio=0.34"]


def dressed(crowd: ReidDataset) -> ReidDataset:
    """With a hat on every second person."""
    train = [replace(record, attributes={"hat": "yes" if record.identity % 2 else "no"}) for record in crowd.train]
    return replace(crowd, train=train, schema=AttributeSchema.from_records(train))


@pytest.mark.slow
def test_a_variational_run_logs_its_parts_and_retrieves(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(tiny(*SHORT, "losses.mmd.weight=10", recipe="reid-vae"), crowd, tmp_path / "run", quiet=True)
    row = metrics(run.folder)[-1]
    for side in ("train", "val"):
        parts = [float(row[f"{side}/{name}"]) for name in ("reconstruction", "kl", "mmd")]
        assert float(row[f"{side}/loss"]) == pytest.approx(sum(parts), rel=1e-4)
    assert 0 < float(row["val/mAP"]) <= 1
    with Image.open(run.folder / "reconstructions" / "epoch-002.png") as picture:
        assert picture.height == 4 * (2 * 32 + 2)
    assert load(run.folder, "cpu").embed([record.path for record in crowd.query]).shape == (len(crowd.query), 8)


UNIT = ["image.mean=[0,0,0]", "image.std=[1,1,1]"]
SIGMOID = ["model.activation=sigmoid", *UNIT]
ENTROPY = ["losses.reconstruction.weight=0", "losses.binary-cross-entropy.weight=1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "loss", "falls"),
    [
        ([*SIGMOID, *ENTROPY], "binary-cross-entropy", 0.97),
        (
            ["model.activation=tanh", "losses.reconstruction.reduction=mean", "losses.kl.weight=0.001"],
            "reconstruction",
            0.8,
        ),
        (["model.activation=tanh"], "reconstruction", 0.8),
    ],
    ids=["sigmoid", "tanh, mean", "tanh, sum"],
)
def test_the_activations_that_the_report_tried_learn(
    overrides: list[str], loss: str, falls: float, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    short = ["epochs=8", "sampler.batch_size=8", "validation.ratio=0.34", "optimiser.lr=0.003"]
    run = train(tiny(*short, *overrides, recipe="reid-vae"), crowd, tmp_path / "run", quiet=True)
    values = [float(row[f"train/{loss}"]) for row in metrics(run.folder)]
    # A cross-entropy does not fall to 0: it is least where the reconstruction is the image.
    assert values[-1] < falls * values[0], values
    made = load(run.folder, "cpu").reconstruct_batch(np_images(crowd))
    assert made.shape == (2, 3, 32, 16)
    assert made.std() > 0


@pytest.mark.slow
def test_images_of_nobody_known_train_an_autoencoder(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    nameless = replace(crowd, train=[replace(record, identity=UNLABELLED) for record in crowd.train])
    run = train(tiny(*SHORT, "model.bottleneck=2", recipe="junk-autoencoder"), nameless, tmp_path / "run", quiet=True)
    row = metrics(run.folder)[-1]
    assert "val/mAP" not in row
    assert float(row["val/loss"]) == pytest.approx(float(row["val/reconstruction"]))
    made = load(run.folder, "cpu").reconstruct_batch(np_images(crowd))
    assert made.shape == (2, 3, 32, 16)


def np_images(crowd: ReidDataset) -> torch.Tensor:
    pixels = [np.asarray(Image.open(record.path).resize((16, 32))) for record in crowd.query[:2]]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)


@pytest.mark.slow
def test_labels_join_the_latents_and_the_run_embeds_without_them(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny(*SHORT, "system=labelled-reconstruction", "model.labels=true", recipe="reid-vae")
    run = train(recipe, dressed(crowd), tmp_path / "run", quiet=True)
    model = load(run.folder, "cpu")
    assert model.model.classes == [2]
    assert model.embeds
    assert not model.recognises
    assert model.embed([crowd.query[0].path]).shape == (1, 8)


@pytest.mark.slow
def test_the_latent_means_beat_those_of_random_weights(tiny, tmp_path: Path) -> None:
    """Budget: ten epochs of 400 pictures at 32×32, about 20 s on one core."""
    sizes = {"identities": 120, "test_identities": 40, "cameras": 2, "images_per_camera": 3, "size": (64, 32)}
    made = synthesize(tmp_path / "street", **sizes, junk=0, distractors=0, processes=1)
    dataset = read_dataset(f"market1501:{made.root}")
    network = ["image.width=32", "model.channels=[16,32,64]", "model.dim=32", "losses.kl.weight=0.2"]
    budget = ["epochs=10", "sampler.batch_size=32", "optimiser.lr=0.003", "loader.cache=true"]
    recipe = tiny(*network, *budget, recipe="reid-vae")
    run = train(recipe, dataset, tmp_path / "run", quiet=True)
    random = []
    for seed in range(5):
        torch.manual_seed(seed)
        untrained = Recognizer(build_model(recipe, run.classes), recipe, device="cpu")
        random.append(evaluate(untrained, dataset).result.mean_average_precision)
    learned = evaluate(load(run.folder, "cpu"), dataset).result.mean_average_precision
    print(f"mAP {learned:.3f}, of random weights {[round(value, 3) for value in random]}")
    # Random convolutions are no chance: they keep colours where they are.
    assert learned > max(random)
    assert learned > sum(random) / len(random) + 0.07


@pytest.mark.parametrize(
    ("name", "overrides", "told"),
    [
        ("junk-autoencoder", ["losses.kl.weight=1"], "losses.kl is for a variational autoencoder"),
        ("reid-vae", ["system=labelled-reconstruction"], "model.labels=true"),
        ("junk-autoencoder", ["system=labelled-reconstruction"], "takes no labels"),
        ("reid-vae", ["model.labels=true"], "system=labelled-reconstruction"),
        ("reid-vae", ["losses={kl: {weight: 0}}"], "every weight is 0"),
        ("junk-autoencoder", ["image.height=36"], "36×16 cannot be halved"),
        (
            "reid-vae",
            ["model.activation=sigmoid"],
            r"^model.activation=sigmoid makes pixels from 0 to 1, and the images are scaled to -1 to 1; give "
            r"image.mean=\[0.0, 0.0, 0.0\] image.std=\[1.0, 1.0, 1.0\]$",
        ),
        (
            "reid-vae",
            ["model.activation=tanh", "image.std=[0.25,0.25,0.25]"],
            r"tanh makes pixels from -1 to 1, and the images are scaled to -2 to 2; give image.mean=\[0.5, .*=\[0.5, ",
        ),
        (
            "reid-vae",
            [*ENTROPY, *UNIT],
            "losses.binary-cross-entropy is for reconstructions from 0 to 1; give model.act",
        ),
        (
            "reid-vae",
            [*ENTROPY, "model.activation=tanh"],
            "losses.binary-cross-entropy is for reconstructions from 0 to 1",
        ),
        ("junk-autoencoder", ENTROPY, "losses.binary-cross-entropy is for reconstructions from 0 to 1"),
    ],
)
def test_parts_that_do_not_fit_are_named(
    name: str, overrides: list[str], told: str, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=told):
        train(tiny(*overrides, recipe=name), dressed(crowd), tmp_path / "run", quiet=True)
