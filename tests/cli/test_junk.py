"""`resight junk` as a user types it: scan, review in the terminal or on the page, apply."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resight.data.formats import read_dataset
from resight.data.formats.manifest import write_manifest
from resight.records import Record, ReidDataset
from tests.support.commands import resight
from tests.support.disk import full_disk
from tests.support.pages import quoted
from tests.support.runs import untrained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny) -> Path:
    """An autoencoder that has learned nothing: it makes noise of noise, so noise has the larger error."""
    torch.manual_seed(0)
    return untrained_run(tmp_path_factory.mktemp("runs") / "junk", tiny(recipe="junk-autoencoder")).folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixteen grey images and four of black and white noise, which is junk."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    records = []
    for number in range(20):
        pixels = rng.integers(0, 2, (32, 16, 3)) * 255 if number >= 16 else np.full((32, 16, 3), 120 + number)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02d}.png")
        records.append(Record(str(folder / f"{number:02d}.png"), -1 if number >= 16 else number + 1, 1))
    write_manifest(folder / "data.csv", ReidDataset("data", gallery=records))
    return f"manifest:{folder / 'data.csv'}"


def scanned(run: Path, data: str, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    status, printed, err = resight("junk", "scan", run, data, "--out", out, *options, capsys=capsys)
    assert status == 0, err
    return printed


def suspects(out: Path) -> list[str]:
    with open(out / "suspects.csv", newline="") as file:
        return [Path(row["path"]).name for row in csv.DictReader(file)]


def test_scan_review_apply(run: Path, data: str, tmp_path: Path, capsys, monkeypatch) -> None:
    out = tmp_path / "s"
    printed = scanned(run, data, out, capsys, "--score", "error", "--precision", "1", "--labels", data)
    for words in ("precision", "recall", "ROC-AUC", "4 of 20 images", "resight junk review"):
        assert words in printed, words
    assert sorted(suspects(out)) == ["16.png", "17.png", "18.png", "19.png"]
    assert "Suspects 1 to 4" in (out / "report.html").read_text()

    status, _, err = resight("junk", "apply", out, "--data", data, "--out", tmp_path / "k.csv", capsys=capsys)
    assert status == 2
    assert "nobody has looked at the suspects" in err

    # One word that is no answer is asked again; end of input ends the review, which goes on later.
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nperhaps\nn\n"))
    status, printed, _ = resight("junk", "review", out, "--terminal", capsys=capsys)
    assert status == 0
    assert "2 of 4 suspects decided, 1 accepted as junk" in printed
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nq\n"))
    _, printed, _ = resight("junk", "review", out, "--terminal", capsys=capsys)
    assert "[3/4] " in printed
    assert "[1/4] " not in printed
    assert "3 of 4 suspects decided, 2 accepted as junk" in printed

    status, printed, err = resight("junk", "apply", out, "--data", data, "--out", tmp_path / "k.csv", capsys=capsys)
    assert status == 0
    assert "2 images left out, 18 kept" in printed
    assert "1 suspect is not decided and stays" in err
    left = {Path(record.path).name for record in read_dataset(f"manifest:{tmp_path / 'k.csv'}").gallery}
    assert len(left) == 18
    assert {suspects(out)[0], suspects(out)[2]} == {f"{number:02d}.png" for number in range(20)} - left
    assert all(Path(record.path).exists() for record in read_dataset(data).gallery)


def test_going_back_changes_an_answer(run: Path, data: str, tmp_path: Path, capsys, monkeypatch) -> None:
    scanned(run, data, tmp_path / "s", capsys, "--quantile", "0.8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nb\nn\n"))
    _, printed, _ = resight("junk", "review", tmp_path / "s", "--terminal", capsys=capsys)
    assert "1 of 4 suspects decided, 0 accepted" in printed


def test_thresholds(run: Path, data: str, tmp_path: Path, capsys) -> None:
    scanned(run, data, tmp_path / "s", capsys, "--threshold", "0")
    assert len(suspects(tmp_path / "s")) == 20
    scanned(run, data, tmp_path / "q", capsys)
    assert len(suspects(tmp_path / "q")) == 1, "the default is the highest hundredth"
    scanned(run, data, tmp_path / "n", capsys, "--threshold", "1e9")
    status, _, err = resight("junk", "review", tmp_path / "n", capsys=capsys)
    assert status == 2
    assert "lists no suspects" in err


@pytest.mark.slow
def test_the_page_is_served_until_ctrl_c(run: Path, data: str, tmp_path: Path, capsys) -> None:
    scanned(run, data, tmp_path / "s", capsys)
    command = [sys.executable, "-u", "-m", "resight", "junk", "review", str(tmp_path / "s")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        # One that was started in the background ignores it, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    url = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", process.stdout.readline())
    assert url is not None
    with urllib.request.urlopen(url[0], timeout=20) as page:
        assert b"Is this junk?" in page.read()
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(20) == 0
    assert "0 of 1 suspect decided" in rest


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--quantile", "2"], "quantile 2"),
        (["--precision", "2", "--labels", "{data}"], "precision 2"),
        (["--score", "loss"], "no score 'loss'"),
        (["--score", "probability"], "recognises no junk"),
        (["--split", "train"], "holds no images"),
    ],
)
def test_bad_input_is_one_line(run: Path, data: str, options: list[str], told: str, tmp_path: Path, capsys) -> None:
    given = [option.format(data=data) for option in options]
    status, _, err = resight("junk", "scan", run, data, "--out", tmp_path / "s", *given, capsys=capsys)
    assert status == 2
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--threshold", "1", "--quantile", "0.5"], "give one of --threshold, --quantile and --precision"),
        (["--precision", "0.9"], "--precision and --labels FORMAT:PATH go together"),
        (["--labels", "manifest:x"], "--precision and --labels FORMAT:PATH go together"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: list[str], told: str, tmp_path: Path, capsys) -> None:
    status, _, err = resight("junk", "scan", "run", "images", "--out", tmp_path / "s", *options, capsys=capsys)
    assert (status, err) == (2, f"error: {told}\n")


def test_the_command_that_a_report_quotes_runs_with_blanks_in_paths(
    kinds: dict[str, Path], people: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, out = Path(people.partition(":")[2]).parent, tmp_path / "some suspects"
    words = ["junk", "scan", kinds["autoencoder"], images, "--quantile", "0.5", "--out", out]
    assert resight(*words, capsys=capsys)[0] == 0
    line = quoted(out / "report.html")
    assert sorted(shlex.split(line)[1:]) == sorted(map(str, words))
    assert resight(*shlex.split(line)[1:], capsys=capsys)[0] == 0


def test_a_review_that_cannot_be_kept_is_refused_before_it_begins(
    run: Path, data: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    out = tmp_path / "s"
    scanned(run, data, out, capsys, "--threshold", "0")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with full_disk():
        status, _, err = resight("junk", "review", out, "--terminal", capsys=capsys)
    assert (status, err.splitlines()[-1]) == (2, f"error: {out / 'decisions.csv'}: File too large")
    assert not (out / "decisions.csv").exists()

    def refused(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refused)
    status, _, err = resight("junk", "review", out, "--terminal", capsys=capsys)
    assert (status, err) == (2, f"error: DIR {out}: cannot be written there (Permission denied)\n")


def test_a_file_of_a_scan_is_answered_with_its_folder(run: Path, data: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "s"
    scanned(run, data, out, capsys)
    for words in (["review"], ["apply", "--data", data, "--out", tmp_path / "k.csv"]):
        status, _, err = resight("junk", words[0], out / "suspects.csv", *words[1:], capsys=capsys)
        assert status == 2
        assert err == f"error: {out / 'suspects.csv'} is a file, perhaps of a scan; give its folder: {out}\n"


def test_images_whose_names_are_not_utf_8_are_named_and_the_rest_is_scanned(run: Path, tmp_path: Path, capsys) -> None:
    folder = os.fsencode(tmp_path / "images")
    os.makedirs(folder)
    for name in (b"/J\xfcrgen.png", b"/a.png", b"/b.png"):
        Image.new("RGB", (16, 32), "red").save(folder + name)
    status, _, err = resight("junk", "scan", run, tmp_path / "images", "--out", tmp_path / "s", capsys=capsys)
    assert status == 0, err
    assert "J\\xfcrgen.png: its name is not UTF-8; rename it" in err
    assert set(suspects(tmp_path / "s")) <= {"a.png", "b.png"}
