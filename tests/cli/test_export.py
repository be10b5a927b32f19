"""`resight export` as a user types it, and the commands that take what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from resight.run import Run
from tests.support.calibrations import calibrated
from tests.support.commands import options_of, resight

OPTIONS = {"out", "to", "normalise", "consumer", "int8", "calibrate", "data", "force"}


def test_every_option_is_known_here() -> None:
    assert options_of("export", {"run"}) == OPTIONS


def test_a_run_is_exported_and_evaluated_beside_itself(trained: Run, crowd_spec: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "a b" / "model.onnx"
    status, told, err = resight("export", trained.folder, "--out", out, "--data", crowd_spec, capsys=capsys)
    assert status == 0, err
    assert f"strong-baseline resnet10t -> {out} (" in told
    assert "images: float32 (batch, 3, 32, 16), RGB in [0, 1] normalised by mean 0.485 0.456 0.406" in told
    assert "parity with the run: worst cosine 1.000000 at 1, 1.000000 at 7, 1.000000 at 64" in told
    assert "licence of the weights: not known" in told
    rows = {
        line.split("  ")[0].strip(): line.split() for line in told.splitlines() if "MB" in line and "->" not in line
    }
    assert set(rows) == {"the run", "model.onnx"}
    assert rows["the run"][2:4] == rows["model.onnx"][1:3], "mAP and rank-1"
    for column in ("mAP", "parameters", "multiply-adds", "file", "images/s at 1", "images/s at 64"):
        assert column in told


def test_a_calibration_that_goes_along_is_told(trained: Run, tmp_path: Path, capsys) -> None:
    run = shutil.copytree(trained.folder, tmp_path / "run")
    calibrated(run)
    status, told, err = resight("export", run, "--out", tmp_path / "model.onnx", capsys=capsys)
    assert status == 0, err
    assert f"probabilities: as `resight calibrate` made them of {run}" in told
    status, told, _ = resight("export", trained.folder, "--out", tmp_path / "plain" / "model.onnx", capsys=capsys)
    assert status == 0
    assert "probabilities" not in told


def test_the_other_commands_take_the_file_in_the_place_of_a_run(
    exported: Path, trained: Run, crowd_spec: str, tmp_path: Path, capsys
) -> None:
    found = []
    for source in (trained.folder, exported):
        words = ["--data", crowd_spec, "--json", "--report", tmp_path / "r.html"]
        status, told, err = resight("evaluate", source, *words, capsys=capsys)
        assert status == 0, err
        found.append(json.loads(told)["model"])
    assert found[0] == found[1]
    page = (tmp_path / "r.html").read_text()
    assert ">Cost</h2>" in page
    assert "images/s at 64" in page
    status, told, err = resight("embed", exported, crowd_spec, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0, err
    assert "6 images × 512 numbers" in told or "images × 512 numbers" in told
    status, _, err = resight("index", exported, crowd_spec, "--out", tmp_path / "gallery", capsys=capsys)
    assert status == 0, err
    status, told, err = resight("search", tmp_path / "gallery", crowd_spec, "-k", "1", "--json", capsys=capsys)
    assert status == 0, err
    assert json.loads(told)


def test_pixels_and_boxmot_are_told(trained: Run, tmp_path: Path, capsys) -> None:
    status, told, err = resight("export", trained.folder, "--out", tmp_path / "m.onnx", "--normalise", capsys=capsys)
    assert status == 0, err
    assert "images: uint8 (batch, 32, 16, 3), RGB, normalised by the file; output0: 512 numbers" in told
    words = ["--for", "boxmot", "--out", tmp_path / "boxmot"]
    status, told, err = resight("export", trained.folder, *words, capsys=capsys)
    assert status == 0, err
    assert "osnet_x1_0_" in told
    assert "BoxMOT: images are 32×16" in err


def test_the_ending_of_the_file_is_its_format(trained: Run, crowd_spec: str, tmp_path: Path, capsys) -> None:
    status, _, err = resight("export", trained.folder, "--out", tmp_path / "m.torchscript", capsys=capsys)
    assert status == 0, err
    assert torch.jit.load(tmp_path / "m.torchscript")
    words = ["--out", tmp_path / "m.xml", "--int8", "--calibrate", crowd_spec]
    assert "int8 is for ONNX, not for openvino" in resight("export", trained.folder, *words, capsys=capsys)[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--int8"], "--int8 needs --calibrate IMAGES"),
        (["--calibrate", "x"], "--calibrate is for --int8"),
        (["--to", "openvino"], "name a file that ends in .xml"),
        (["--out", "m.pt"], "--out m.pt: name a file that ends in .onnx, .torchscript, .xml"),
        (["--int8", "--calibrate", "ONE"], "--calibrate: 1 image; int8 needs 64 or more"),
    ],
)
def test_what_does_not_go_is_one_line_and_leaves_nothing(
    words: list[str], told: str, trained: Run, crowd, tmp_path: Path, capsys
) -> None:
    words = [crowd.train[0].path if word == "ONE" else word for word in words]
    status, out, err = resight("export", trained.folder, "--out", tmp_path / "m.onnx", *words, capsys=capsys)
    assert status == 2
    assert not out
    assert told in err
    assert [line for line in err.splitlines() if line.startswith("error")] == err.strip().splitlines()[-1:]
    assert not list(tmp_path.iterdir())


def test_an_exported_file_has_no_training_of_its_own(exported: Path, crowd_spec: str, capsys) -> None:
    status, _, err = resight("evaluate", exported, "--data", crowd_spec, "--on", "validation", capsys=capsys)
    assert status == 2
    assert "are for a run folder" in err
