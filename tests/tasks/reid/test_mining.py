"""What camera mining chose from: the loss's own matrices, of the last batch of a training and of a trained run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resight.losses.mining import CameraBatchHard
from resight.losses.triplet import TripletLoss
from resight.recognizer import Recognizer
from resight.records import Record, ReidDataset
from resight.run import build_model
from resight.tasks.reid.mining import first_batch, last_batch
from resight.training import train

MINED = "losses.triplet.mining={name: camera-batch-hard, k: 1, m: 0.5}"
RECORDS = [Record(f"{number}.png", 1 + number // 3, camera) for number, camera in enumerate([1, 1, 2, 1, 2])]
PLACES = torch.tensor([[0.0], [3], [2.5], [10], [9]])


def mined(**options: object) -> TripletLoss:
    loss = TripletLoss(mining=CameraBatchHard(**options))  # type: ignore[arg-type]
    loss(PLACES, *(torch.tensor([getattr(record, name) for record in RECORDS]) for name in ("identity", "camera")))
    return loss


def test_the_matrices_by_hand() -> None:
    # Of one identity the distances are 3, 2.5, 0.5 and 1, each twice.
    bias = float(np.std([3, 2.5, 0.5, 1]))
    figure = last_batch([mined(k=1)], RECORDS)
    assert figure is not None
    plain, lowered, _, others = figure.axes
    nan = np.nan
    assert plain.images[0].get_array().filled(nan)[0] == pytest.approx([nan, 3, 2.5, nan, nan], nan_ok=True)
    assert lowered.images[0].get_array().filled(nan)[0] == pytest.approx([nan, 3 - bias, 2.5, nan, nan], nan_ok=True)
    assert f"same camera {-bias:+.3g}" in lowered.get_title("left")
    bias = float(np.std([10, 9, 7, 6, 7.5, 6.5]))
    row = [10 - bias, 7 - bias, 7.5, nan, nan]
    assert others.images[0].get_array().filled(nan)[3] == pytest.approx(row, nan_ok=True)
    framed = [[int(patch.get_x() + 0.5) for patch in axes.patches] for axes in figure.axes]
    # With the bias image 0 takes the other camera's image 2 for the same camera's 1; and among others 0 and 1 take the same
    # camera's 3 for 4, and 4 takes 2 for 1.
    assert framed == [[1, 0, 0, 4, 3], [2, 0, 0, 4, 3], [4, 4, 4, 1, 1], [3, 3, 4, 1, 2]]


def test_a_bias_that_has_ended_is_told() -> None:
    loss = TripletLoss(mining=CameraBatchHard(epochs=1))
    loss.begin_epoch(1)
    loss(PLACES, torch.tensor([r.identity for r in RECORDS]), torch.tensor([r.camera for r in RECORDS]))
    figure = last_batch([loss], RECORDS)
    assert [axes.get_title("left").split(",")[0] for axes in figure.axes[1::2]] == [
        "same identity: no bias",
        "other identities: no bias",
    ]


def test_other_mining_and_no_batch_are_no_picture() -> None:
    assert last_batch([TripletLoss()], RECORDS) is None
    assert last_batch([TripletLoss(mining=CameraBatchHard())], RECORDS) is None


def of(recipe, classes: int = 6) -> Recognizer:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    return Recognizer(build_model(recipe, classes=classes), recipe, device="cpu")


def test_a_trained_run_shows_a_batch_of_its_sampler_by_what_its_loss_reads(crowd: ReidDataset, tiny) -> None:
    model = of(tiny(MINED, "sampler.identities=2", "sampler.images=2"))
    figure = first_batch(model, crowd.train)
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) == 4
    assert set(labels) <= {f"{record.identity} c{record.camera}" for record in crowd.train}
    assert labels[0].split()[0] == labels[1].split()[0] != labels[2].split()[0] == labels[3].split()[0]
    shown = figure.axes[2].images[0].get_array().filled(0)
    # Features before the neck, as the loss reads them: some distance of two images of the dataset is the one shown.
    with torch.inference_mode():
        batches = [model.model(model.prepare(batch.images)).features[0] for batch in model.batches(crowd.train)]
    every = torch.cdist(torch.cat(batches), torch.cat(batches)).numpy()
    assert np.abs(every - shown[0, 2]).min() < 1e-3


def test_what_has_no_camera_mining_or_no_batch_has_no_picture(crowd: ReidDataset, tiny) -> None:
    assert first_batch(of(tiny()), crowd.train) is None
    assert first_batch(of(tiny(recipe="reid-vae")), crowd.train) is None
    one = [record for record in crowd.train if record.identity < 2]
    assert first_batch(of(tiny(MINED)), one) is None
    assert first_batch(of(tiny(MINED)), []) is None
    gone = [replace(record, path=f"{record.path}.gone") for record in crowd.train]
    assert first_batch(of(tiny(MINED)), gone) is None


def test_fewer_people_than_a_batch_wants_are_a_smaller_picture(crowd: ReidDataset, tiny) -> None:
    two = [record for record in crowd.train if record.identity < 3]
    figure = first_batch(of(tiny(MINED, "sampler.identities=4", "sampler.images=2")), two)
    assert figure is not None
    assert {label.get_text().split()[0] for label in figure.axes[0].get_xticklabels()} == {"1", "2"}


def test_training_draws_the_first_batch_of_the_epochs_1_2_4(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny(MINED, "epochs=3", "validation.pictures=true")
    run = train(recipe, crowd, tmp_path / "run", quiet=True)
    assert sorted(path.name for path in (run.folder / "mining").iterdir()) == ["epoch-001.png", "epoch-002.png"]
    logged = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [event.step for event in logged.Images("mining")] == [1, 2]


@pytest.mark.parametrize("overrides", [[MINED], ["validation.pictures=true"]])
def test_none_where_they_are_not_wanted_or_nothing_is_mined(
    overrides: list[str], crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    run = train(tiny("epochs=1", *overrides), crowd, tmp_path / "run", quiet=True)
    assert not (run.folder / "mining").exists()
