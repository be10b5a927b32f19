"""`resight predict` as a user types it, with every kind of run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import options_of, resight

KINDS = ["embedding", "bruna", "vae", "autoencoder", "masks", "attributes"]
PREDICTS = {"masks", "attributes", "bruna"}


def test_multi_is_the_only_option() -> None:
    assert options_of("predict", {"run", "images", "out", "force"}) == {"multi"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multi", [False, True])
def test_predict_takes_an_option_or_refuses_it(
    kind: str, multi: bool, kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / ("masks" if kind == "masks" else "found.csv")
    words = ["--multi"] if multi else []
    status, _, err = resight("predict", kinds[kind], people, "--out", out, *words, capsys=capsys)
    if kind in PREDICTS and not (multi and kind == "masks"):
        assert status == 0, err
        assert out.exists()
        assert kind == "masks" or ("upmulticolor" in out.read_text()) == multi
    else:
        assert status == 2
        assert len(err.strip().splitlines()) == 1
        assert "recognises no attributes" in err or "--multi is for an attribute run" in err
        assert not out.exists()


def test_multi_colours_are_a_csvs(kinds: dict[str, Path], people: str, tmp_path: Path, capsys) -> None:
    status, _, err = resight(
        "predict", kinds["attributes"], people, "--out", tmp_path / "p.json", "--multi", capsys=capsys
    )
    assert status == 2
    assert "multi-colour columns are a .csv's" in err
