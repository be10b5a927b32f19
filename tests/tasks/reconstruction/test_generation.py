"""New images drawn from a variational autoencoder, and the command that draws them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.formats import read_dataset
from resight.data.training_set import divide
from resight.errors import DataError, RunError
from resight.recognizer import Recognizer
from resight.records import UNLABELLED
from resight.run import Run, build_model
from resight.tasks.reconstruction.generation import generate
from tests.support.commands import resight
from tests.support.runs import untrained_run


@pytest.fixture
def run(tiny, tmp_path: Path) -> Run:
    torch.manual_seed(0)  # Of some tiny networks every image is the same grey.
    return untrained_run(tmp_path / "run", tiny("validation.ratio=0.2", recipe="reid-vae"))


def pixels(folder: Path) -> list[bytes]:
    return [np.asarray(Image.open(path)).tobytes() for path in sorted(folder.glob("*.png"))]


def test_the_command_draws_a_dataset_that_an_autoencoder_trains_on(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("one", "3"), ("same", "3"), ("other", "4")):
        options = ["--out", str(tmp_path / name), "--images", "70", "--seed", seed]
        status, told, _ = resight("data", "sample", str(run.folder), *options, capsys=capsys)
        assert status == 0
        assert f"--data manifest:{tmp_path}/{name}/samples.csv" in told
    one, same, other = (pixels(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert len(set(one) | set(other)) == 140, "no two alike"
    dataset = read_dataset(f"manifest:{tmp_path}/one/samples.csv")
    assert [record.identity for record in dataset.train] == [UNLABELLED] * 70
    assert np.asarray(Image.open(dataset.train[0].path)).shape == (32, 16, 3)
    assert len(divide(run.recipe, dataset, ()).fitted) == 56
    with pytest.raises(DataError, match="no training split with identities"):
        divide(run.recipe, dataset, ("identities",))


def test_what_cannot_be_drawn_is_named(run: Run, tiny, tmp_path: Path) -> None:
    recipe = tiny(recipe="junk-autoencoder")
    other = Recognizer(build_model(recipe, 1), recipe, device="cpu")
    with pytest.raises(RunError, match="makes no new images"):
        generate(other, tmp_path / "new", 3)
    assert not (tmp_path / "new").exists()
    with pytest.raises(DataError, match="run: exists and is not an empty folder"):
        generate(other, run.folder, 3)
