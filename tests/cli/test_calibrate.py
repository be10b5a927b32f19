"""`resight calibrate` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from resight.data.formats.manifest import write_manifest
from resight.errors import DataError
from resight.exporting.flow import export
from resight.gallery import Gallery
from resight.recognizer import load
from resight.records import ReidDataset
from resight.run import Run
from tests.support.calibrations import calibrated
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


def test_an_exported_file_and_its_galleries_are_calibrated(
    trained: Run, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = export(trained.folder, tmp_path / "street" / "model.onnx").path
    gallery = Gallery.create(tmp_path / "gallery", model=model)
    gallery.add(crowd.gallery)
    queries = list({(record.identity, record.camera): record for record in crowd.train}.values())
    write_manifest(tmp_path / "site.csv", ReidDataset("site", query=queries, gallery=crowd.train))
    words = ["calibrate", model, "--data", f"manifest:{tmp_path / 'site.csv'}"]
    for on in ("train", "validation"):
        status, _, err = resight(*words, "--on", on, capsys=capsys)
        assert (status, err) == (
            2,
            f"error: --on {on} is for a run folder; {model} does not know whom it was trained on\n",
        )
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0, err
    file = tmp_path / "street" / "model.onnx.calibration.json"
    assert f"calibration: {file}\n" in out
    own = load(model).calibration
    assert own is not None
    assert own.fitted_on is not None
    assert own.fitted_on.dataset == "site"
    opened = Gallery.open(tmp_path / "gallery")
    assert opened.calibration == own, "without the model, for a gallery that was made before"
    status, out, err = resight("search", gallery.where, crowd.query[0].path, "--accept", 0, capsys=capsys)
    assert status == 0, err
    assert "probability" in out
    assert "(replaced)" in resight(*words, capsys=capsys)[1]

    calibrated(run := Path(shutil.copytree(trained.folder, tmp_path / "run")))
    taken = export(run, tmp_path / "taken.onnx").path
    assert load(taken).calibration == load(run).calibration
    shutil.copy(file, tmp_path / "taken.onnx.calibration.json")
    other, lines = load(taken), []
    other.tell = lines.append
    assert other.calibration == load(run).calibration, "what lies beside it is another file's"
    assert "taken.onnx.calibration.json was fitted for another model and is ignored" in lines[0]


def test_what_is_no_run_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = resight("calibrate", "hf:a/b", "--data", "folders:no-data", capsys=capsys)
    assert status == 2
    assert "hf:a/b is no run folder and no exported file" in err
