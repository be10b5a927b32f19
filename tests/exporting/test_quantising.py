"""Weights and activations of 8 bits: how images are chosen, and what becomes of the embeddings."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from resight.errors import DataError
from resight.exporting.flow import export
from resight.exporting.parity import LEAST_INT8
from resight.exporting.quantising import calibration_images
from resight.recognizer import Recognizer, load
from resight.records import Record, ReidDataset
from resight.run import Run
from tests.support.calibrations import calibrated


@pytest.fixture(scope="module")
def many(crowd: ReidDataset) -> list[Record]:
    return [*crowd.train, *crowd.query, *crowd.gallery] * 2  # 128


def test_images_to_calibrate_on_are_not_those_to_judge_by(trained: Run, many: list[Record]) -> None:
    model = load(trained.folder)
    given, judged = calibration_images(model, many)
    assert (len(given), len(judged)) == (64, 64)
    again, _ = calibration_images(model, many)
    assert torch.equal(given, again)


@pytest.mark.parametrize(("count", "told"), [(1, "--calibrate: 1 image; int8 needs 64"), (63, "63 images")])
def test_too_few_images_are_one_line(count: int, told: str, trained: Run, many: list[Record]) -> None:
    with pytest.raises(DataError, match=told):
        calibration_images(load(trained.folder), many[:count])


def test_images_that_cannot_be_read_do_not_count(trained: Run, many: list[Record], tmp_path: Path) -> None:
    gone = [Record(str(tmp_path / f"{number}.png")) for number in range(10)]
    with pytest.raises(DataError, match="--calibrate: 60 images"):
        calibration_images(load(trained.folder), [*many[:60], *gone])


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [False, True])
def test_a_file_of_8_bits_is_smaller_and_nearly_the_same(
    pixels: bool, trained: Run, many: list[Record], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, caplog
) -> None:
    level = logging.root.level
    run = shutil.copytree(trained.folder, tmp_path_factory.mktemp("calibrated") / "run")
    calibrated(run)
    made = export(run, tmp_path / "int8.onnx", calibrate=many, pixels=pixels)
    assert made.left_out
    assert load(made.path).calibration is None, "the scores of 8 bits are others"
    assert logging.root.level == level
    assert made.calibrated_on == 64
    assert LEAST_INT8 < made.parity.least < 0.99999
    assert made.size < 0.4 * (trained.folder / "model.safetensors").stat().st_size
    told = {prop.key: prop.value for prop in onnx.load(str(made.path)).metadata_props}
    assert (told["precision"], told["calibrated_on"]) == ('"int8"', "64")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.onnx", "reid_config.json"]
    run, file = (model.embed([record.path for record in many[:8]]) for model in (load(trained.folder), load(made.path)))
    np.testing.assert_allclose((run * file).sum(1), 1, atol=0.05)
    assert isinstance(load(made.path), Recognizer)


@pytest.mark.slow
def test_convolutions_that_lose_too_much_stay_in_float32(
    trained: Run, many: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is put between what is lost with none spared and with three."""
    nearness = {}
    for spared in (0, 3):
        monkeypatch.setattr("resight.exporting.flow.SPARED", (spared,))
        made = export(trained.folder, tmp_path / f"{spared}" / "int8.onnx", calibrate=many)
        nearness[spared] = made.parity.least
    assert nearness[3] > nearness[0]
    monkeypatch.setattr("resight.exporting.flow.SPARED", (0, 3))
    monkeypatch.setattr("resight.exporting.flow.LEAST_INT8", (nearness[0] + nearness[3]) / 2)
    made = export(trained.folder, tmp_path / "both" / "int8.onnx", calibrate=many)
    assert made.spared == 3
    told = {prop.key: prop.value for prop in onnx.load(str(made.path)).metadata_props}
    assert told["float32_convolutions"] == "3"
    kept = onnx.load(str(made.path)).graph
    quantised = {name for node in kept.node if node.op_type == "DequantizeLinear" for name in node.output}
    plain = [node for node in kept.node if node.op_type == "Conv" and node.input[1] not in quantised]
    assert len(plain) == 3
