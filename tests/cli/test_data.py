"""`resight data` as a user types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from resight.data.formats import FORMATS, read_dataset
from resight.records import ReidDataset
from tests.support.commands import resight
from tests.support.footage import line, write_sequence, write_video


def test_formats_are_listed_as_the_table_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("data", "formats", capsys=capsys)
    assert status == 0
    assert all(re.search(rf"(?m)^\W*{name}\s", out) for name in FORMATS)


def test_a_street_is_drawn_inspected_and_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("data", "synthesize", tmp_path / "s", "--identities", "8", "--cameras", "3", "--images-per-camera", "2", "--junk", "2", "--distractors", "2", "--processes", "1", capsys=capsys)  # fmt: skip
    assert status == 0
    data = f"market1501:{tmp_path / 's'}"
    assert data in out
    status, out, _ = resight("data", "inspect", "--data", data, "--out", tmp_path / "charts", capsys=capsys)
    assert status == 0
    assert "train" in out
    for chart in ("attributes.png", "images-per-identity.png"):
        assert Image.open(tmp_path / "charts" / chart).width > 100
    status, out, _ = resight("data", "split", "--data", data, "--out", tmp_path / "split.csv", capsys=capsys)
    assert status == 0
    assert (
        resight(
            "data",
            "inspect",
            "--data",
            f"manifest:{tmp_path / 'split.csv'}",
            "--out",
            tmp_path,
            capsys=capsys,
        )[0]
        == 0
    )


def test_figures_of_a_dataset_fit_a_narrow_terminal(
    crowd_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resight.cli.console.output", lambda: Console(width=80, soft_wrap=True, highlight=False))
    _, out, _ = resight("data", "inspect", "--data", crowd_spec, "--out", tmp_path, capsys=capsys)
    table = out.partition("fewest, median and most:")[0]
    assert max(map(len, table.splitlines())) <= 80
    for column in ("identities", "distractors", "unlabelled", "fewest", "median", "most"):
        assert f" {column}" in table, "whole words"


def test_data_augment_pictures_a_recipe(crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, out = crowd.train[0].path, tmp_path / "augmented.png"
    told = ("data", "augment", "reid-strong-baseline", image)
    status, shown, _ = resight(*told, "augmentation.pca-colour={}", "--out", out, "--draws", "3", capsys=capsys)
    assert (status, shown) == (0, f"picture: {out}\n")
    first = out.read_bytes()
    # the image, its three augmentations, the added one, all together: six rows of 256 pixels and captions
    assert Image.open(out).height > 6 * 256
    resight(*told, "augmentation.pca-colour={}", "--out", out, "--draws", "3", capsys=capsys)
    assert out.read_bytes() == first, "same seed, same picture"
    status, _, error = resight(*told, "augmentation.flop={}", "--out", out, capsys=capsys)
    assert status != 0
    assert "did you mean 'flip'" in error
    assert error.count("\n") == 1


def test_crops_of_sequences_then_inspected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("east", "west"):
        write_sequence(
            tmp_path / "all" / name, lines=[*(line(1, track) for track in (1, 2)), line(1, 3, "0,7,1"), line(8, 1)]
        )
    crops = tmp_path / "crops"
    status, out, err = resight("data", "crops", "--mot", tmp_path / "all", "--out", crops, capsys=capsys)
    assert status == 0, err
    assert "east: boxes left out: 1 of other classes, 1 beyond the frames at hand (of 1 frames)" in err
    assert f"4 crops -> {crops / 'manifest.csv'}" in out
    dataset = read_dataset(f"manifest:{crops / 'manifest.csv'}")
    assert [(record.camera, record.identity) for record in dataset.train] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    status, _, err = resight("data", "crops", "--mot", tmp_path / "all", "--out", crops, capsys=capsys)
    assert status == 2
    assert "manifest.csv: a file that exists; choose another, or --force to write over it" in err
    words = ["--identities", "none", "--start", "1970-01-01T00:01", "--camera", "5", "--force"]
    status, out, err = resight("data", "crops", "--mot", tmp_path / "all", "--out", crops, *words, capsys=capsys)
    assert status == 0, err
    assert "manifest.csv (replaced)" in out
    found = read_dataset(f"manifest:{crops / 'manifest.csv'}").gallery
    assert {(record.identity, record.camera, record.time) for record in found} == {(-2, 5, 60_000)}
    assert [(record.sequence, record.tracklet) for record in found] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_crops_of_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "door.mp4")
    (tmp_path / "tracks.txt").write_text("\n".join(line(number, 1, "0.9,-1,-1,-1") for number in range(1, 15)))
    words = ["--video", video, "--boxes", tmp_path / "tracks.txt", "--every", 4, "--out", tmp_path / "crops"]
    status, out, err = resight("data", "crops", *words, capsys=capsys)
    assert status == 0, err
    assert "door: boxes left out: 10 between, 1 beyond the frames at hand (of 1 frames)" in err
    assert "3 crops -> " in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give one of --mot DIR and --video FILE"),
        (["--mot", "a", "--video", "b"], "give one of --mot DIR and --video FILE"),
        (["--video", "b"], "--video needs --boxes FILE"),
        (["--mot", "a", "--first-frame", "0"], "--first-frame is for --video"),
        (["--mot", "a", "--classes", "car"], "--classes car: numbers with commas between them, as 1,2"),
        (["--mot", "a", "--identities", "all"], "--identities all: one of none, own, shared"),
        (["--mot", "a", "--start", "noon"], "'noon' is no time; write it as 2026-05-31T08:30:00"),
        (["--mot", "a"], "a: no such folder; name a sequence's folder"),
    ],
)
def test_crops_of_bad_input_are_one_line(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("data", "crops", *words, "--out", tmp_path / "crops", capsys=capsys)
    assert status == 2
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1
    assert not (tmp_path / "crops").exists()
