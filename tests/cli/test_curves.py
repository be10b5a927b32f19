"""`resight curves`: several runs' metrics.csv in one picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from resight.recipe import Recipe
from resight.run import Run
from tests.support.commands import resight


@pytest.fixture
def runs(tiny: Callable[..., Recipe], tmp_path: Path) -> list[Path]:
    """Two runs of a table, which were validated at other epochs than one another."""
    texts = {
        "adam": "epoch,lr,train/loss,train/d_other,val/mAP\n1,0.1,3,0.5,\n2,0.1,2,0.6,0.25\n",
        "sgd": "epoch,lr,train/loss,val/mAP,val/loss\n1,0.1,4,0.1,1\n2,0.1,5,0.2,nan\n3,0.1,6,0.3,2\n",
    }
    for name, text in texts.items():
        run = Run(tmp_path / name / "seed-0", tiny(), 2)
        run.folder.mkdir(parents=True)
        run.save()
        run.metrics.write_text(text)
    return [tmp_path / name / "seed-0" for name in texts]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    figures: list[Figure] = []
    monkeypatch.setattr("resight.views.charts.save", lambda figure, path: figures.append(figure))
    return figures


def test_every_series_that_a_run_has_is_a_panel(
    runs: list[Path], drawn: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = resight("curves", *runs, "--out", tmp_path / "a.png", capsys=capsys)
    assert status == 0, err
    assert out == f"{tmp_path / 'a.png'}: val/mAP, val/loss, train/loss, train/d_other, lr of 2 runs\n"
    panels = {axes.get_title("left"): axes.lines for axes in drawn[0].axes if axes.lines}
    assert list(panels) == ["val/mAP", "val/loss", "train/loss", "train/d_other", "lr"]
    assert [list(line.get_xdata()) for line in panels["val/mAP"]] == [[2], [1, 2, 3]]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["adam", "sgd"], "without seed-0"
    assert panels["val/loss"][0].get_color() == panels["train/loss"][1].get_color() != panels["lr"][0].get_color()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_picture_is_of_the_kind_that_its_name_says(
    ending: str, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resight("curves", *runs, "--out", tmp_path / f"new/a.{ending}", capsys=capsys)[0] == 0
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert (tmp_path / f"new/a.{ending}").read_bytes().startswith(begins[ending])
    assert (
        f"a.{ending} (replaced): val/mAP"
        in resight("curves", *runs, "--out", tmp_path / f"new/a.{ending}", capsys=capsys)[1]
    )


def test_series_are_chosen_by_name_or_end(
    runs: list[Path], drawn: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = resight("curves", *runs, runs[0], "--series", "d_other,loss,lr", "--out", tmp_path / "a.png", capsys=capsys)[
        1
    ]
    assert "train/d_other, val/loss, train/loss, lr of 2 runs" in out
    out = resight("curves", runs[1], "--series", "val/loss", "--out", tmp_path / "a.png", capsys=capsys)[1]
    assert "val/loss of 1 run\n" in out
    assert [text.get_text() for text in drawn[1].legends[0].get_texts()] == ["seed-0"]


def test_what_cannot_be_drawn_is_said_in_a_line(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / "a.png"]
    for words, told in (
        (
            [*runs, *out, "--series", "d_othr"],
            "--series d_othr: no such curve (did you mean 'd_other'?); there is: val/mAP",
        ),
        ([tmp_path, *out], "is no run folder"),
        ([*runs, "--out", tmp_path / "a.txt"], "name a file that ends in .png, .svg, .pdf"),
    ):
        status, _, err = resight("curves", *words, capsys=capsys)
        assert status == 2
        assert told in err
        assert err.count("\n") == 1
    (runs[0] / "metrics.csv").write_text("epoch,train/loss\n1,2.0\n")
    err = resight("curves", runs[0], *out, "--series", "mAP", capsys=capsys)[2]
    assert "no such curve; there is: train/loss; no epoch was validated (validation.ratio" in err
    (runs[1] / "metrics.csv").unlink()
    err = resight("curves", *runs, *out, capsys=capsys)[2]
    assert err == f"error: {runs[1]} has no curves yet: its first epoch is not finished\n"
    assert not (tmp_path / "a.png").exists()


def test_more_runs_than_an_eye_can_tell_apart_are_cut(
    runs: list[Path], drawn: list[Figure], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = [shutil.copytree(runs[0], tmp_path / f"run-{number}") for number in range(20)]
    out = resight("curves", *copies, "--out", tmp_path / "a.png", capsys=capsys)[1]
    assert out.endswith("of the first 16 of 20 runs\n")
    assert drawn[0].legends[0].get_title().get_text() == "the first 16 of 20"
