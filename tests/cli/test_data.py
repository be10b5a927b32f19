"""`resight data` as a user types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from resight.data.formats import FORMATS
from resight.records import ReidDataset
from tests.support.commands import resight


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
