"""`resight import` as a user types it, and the commands that follow it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from resight.importing.sources import sha256
from resight.models.osnet import OSNet
from tests.support.commands import options_of, resight

SMALL = ["image.height=32", "image.width=16"]


@pytest.fixture
def osnet(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save({"state_dict": OSNet(7, 0.25).state_dict()}, tmp_path / "osnet.pth")
    return tmp_path / "osnet.pth"


def test_the_options() -> None:
    assert options_of("import", {"source", "overrides", "out"}) == {"architecture", "licence", "architectures"}


def test_an_imported_run_is_a_run(osnet: Path, crowd_spec: str, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    status, out, err = resight(
        "import", osnet, *SMALL, "--as", "osnet_x0_25", "--out", run, "--licence", "MIT", capsys=capsys
    )
    assert status == 0, err
    assert "loaded" in out
    assert "565" in out
    assert (
        "images: 32×16, squash, bilinear, RGB, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225; euclidean distance"
        in out
    )
    assert f"from: {osnet}\nsha256: {sha256(osnet)}\nlicence: MIT\nrun: {run}\n" in out
    for words in (
        ("evaluate", run, "--data", crowd_spec),
        ("embed", run, crowd_spec, "--out", tmp_path / "features.parquet"),
        ("index", run, crowd_spec, "--out", tmp_path / "gallery"),
        ("cluster", run, crowd_spec, "--out", tmp_path / "clusters", "--clusters", 2),
    ):
        status, _, err = resight(*words, capsys=capsys)
        assert status == 0, err


def test_the_architectures_are_listed(capsys) -> None:
    status, out, _ = resight("import", "--architectures", capsys=capsys)
    assert status == 0
    assert {"osnet_ain_x0_5", "fastreid:agw_R101-ibn", "timm:NAME"} <= set(out.split())


def test_what_is_not_known_is_said(osnet: Path, tmp_path: Path, capsys) -> None:
    _, out, _ = resight("import", osnet, *SMALL, "--as", "osnet_x0_25", "--out", tmp_path / "run", capsys=capsys)
    assert "licence: not known; ask whose weights these are" in out


@pytest.mark.parametrize(
    "words", [("--as", "osnet_x0_5"), (), ("--as", "vit"), ("--as", "osnet_x0_25", "image.size=3")]
)
def test_a_refusal_is_one_line(words: tuple[str, ...], osnet: Path, tmp_path: Path, capsys) -> None:
    status, _, err = resight("import", osnet, *words, "--out", tmp_path / "run", capsys=capsys)
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_source_and_folder_are_needed(osnet: Path, capsys) -> None:
    assert "give a source and --out DIR" in resight("import", osnet, capsys=capsys)[2]
