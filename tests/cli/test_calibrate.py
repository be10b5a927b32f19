"""`resight calibrate` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from resight.errors import DataError
from resight.recognizer import load
from resight.run import Run
from tests.support.commands import resight


def test_a_run_is_calibrated_and_knows_its_own(
    trained: Run, crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    assert load(run).calibration is None
    status, _, err = resight("calibrate", run, "--data", crowd_spec, "--on", "test", capsys=capsys)
    assert status == 2
    assert "crowd: 2 people among its queries; a calibration needs four or more" in err
    assert not (run / "calibration.json").exists()
    words = ["calibrate", run, "--data", crowd_spec, "--on", "train"]
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0, err
    for word in ("ECE", "Brier", "base rate", "calibrated", "calibration.json", "mean squared error"):
        assert word in out, word
    picture = tmp_path / "reliability.png"
    status, out, err = resight(*words, "--json", "--picture", picture, capsys=capsys)
    assert status == 0, err
    assert Image.open(picture).width > 100
    model = load(run)
    assert json.loads(out)["fitted on"]["fingerprint"] == model.fingerprint
    assert model.calibration is not None
    told = model.calibration.probability([-1.0, 0.0, 1.0], [False] * 3)
    assert 0 <= told[0] <= told[1] <= told[2] <= 1

    file = run / "calibration.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "fitted on": {**kept["fitted on"], "fingerprint": "other"}}))
    model, lines = load(run), []
    model.tell = lines.append
    assert model.calibration is None
    assert "fitted for another model and is ignored" in lines[0]
    file.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        assert load(run).calibration


def test_errors_of_held_out_people_name_the_dataset_s_own_queries(
    trained: Run, people: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, apt in (
        (["--data", people], True),
        (["--data", people, "--on", "test"], False),
    ):
        status, _, err = resight(
            "calibrate", shutil.copytree(trained.folder, tmp_path / str(apt)), *words, capsys=capsys
        )
        assert status == 2
        assert err.strip().endswith("; or --on test, for the dataset's own query and gallery") == apt


def test_what_is_no_run_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = resight("calibrate", "hf:a/b", "--data", "folders:no-data", capsys=capsys)
    assert status == 2
    assert "hf:a/b is no run folder" in err
