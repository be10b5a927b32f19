"""Whatever ends a command is one line that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from resight.cli import main
from resight.errors import RunError
from resight.gallery import Gallery
from resight.records import Embeddings, ReidDataset
from resight.run import Run
from tests.support.commands import command, resight


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "nowhere", "--data", "{data}"], "resight train"),
        (["evaluate", "{run}", "--data", "market1501:/nowhere"], "/nowhere"),
        (["evaluate", "{run}", "--data", "markt1501:/nowhere"], "market1501"),
        (
            ["train", "reid-strong-baselin", "--data", "x", "--out", "y"],
            "did you mean 'reid-strong-baseline'",
        ),
        (["train", "reid-strong-baseline", "epoch=3", "--data", "x", "--out", "y"], "did you mean 'epochs'"),
        (["train", "--resume", "nowhere"], "no run folder"),
        (["index", "{run}", "/nowhere", "--out", "g"], "/nowhere"),
        (["search", "nowhere", "q.jpg"], "resight index"),
        (["embed", "{run}", "{file}", "--out", "f.parquet"], "crowd.csv"),
    ],
)
def test_bad_input_is_one_line(
    trained: Run, crowd_spec: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"run": trained.folder, "data": crowd_spec, "file": crowd_spec.partition(":")[2]}
    status, _, err = resight(*(argument.format(**places) for argument in arguments), capsys=capsys)
    assert status == 2
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


class Failing:
    """In the place of the table of commands: raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, arguments: list[str] | None) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (RunError("no run at [bold]x[/]; make one"), 2, "error: no run at [bold]x[/]; make one"),
        (FileNotFoundError(2, "No such file or directory", "/data/a.csv"), 2, "error: /data/a.csv: No such file or directory"),
        (PermissionError(13, "Permission denied", "a.partial", None, "runs/a"), 2, "error: runs/a: Permission denied"),
        (OSError(28, "No space left on device"), 2, "error: the disk: No space left on device; make room, then start again"),
        (OSError(122, "Disk quota exceeded", "runs/a"), 2, "error: runs/a: Disk quota exceeded; make room, then start again"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)  # fmt: skip
def test_what_ends_a_command_is_told_in_one_line(
    error: BaseException, status: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("resight.cli.app.app", Failing(error))
    assert resight(capsys=capsys) == (status, "", f"{told}\n")


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), OSError(22, "Invalid argument")])
def test_mistakes_of_the_program_are_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.cli.app.app", Failing(error))
    with pytest.raises(type(error), match=str(error.args[-1])):
        main([])


def test_a_backend_for_windows_that_matplotlib_does_not_know_changes_nothing(crowd_spec: str, tmp_path: Path) -> None:
    words = command("data", "inspect", "--data", crowd_spec, "--out", tmp_path)
    done = subprocess.run(words, env={**os.environ, "MPLBACKEND": "nonsense"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "images-per-identity.png").exists()


def test_images_whose_names_are_not_utf_8_are_named_and_the_rest_is_done(
    trained: Run, kinds: dict[str, Path], crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    for person in (b"J\xfcrgen", b"Anna"):
        folder = os.fsencode(images) + b"/" + person
        os.makedirs(folder)
        for number, record in enumerate(crowd.train[:3]):
            shutil.copy(record.path, folder + b"/%d.png" % number)
    for words in (
        ["embed", trained.folder, images, "--out", tmp_path / "f.parquet"],
        ["index", trained.folder, images, "--out", tmp_path / "gallery"],
        ["cluster", trained.folder, images, "--out", tmp_path / "clusters", "--clusters", 2],
        ["predict", kinds["attributes"], images, "--out", tmp_path / "p.csv"],
        ["data", "split", "--data", f"folders:{images}", "--out", tmp_path / "split.csv", "--ratio", 0.5],
    ):
        status, _, err = resight(*words, capsys=capsys)
        if "split" not in words:  # one person is left, who cannot be split
            assert status == 0, err
        assert "3 of 6 images left out, with names that no file can hold" in err
        assert f"{images}/J\\xfcrgen/0.png: its name is not UTF-8; rename it" in err
        assert "Traceback" not in err
    assert {Path(record.path).parent.name for record in Embeddings.load(tmp_path / "f.parquet").records} == {"Anna"}
    assert len(Gallery.open(tmp_path / "gallery")) == 3
    query = os.fsdecode(os.fsencode(images) + b"/J\xfcrgen/1.png")
    status, out, _ = resight("search", tmp_path / "gallery", query, "-k", 1, capsys=capsys)
    assert status == 0
    assert "Anna/1.png" in out.replace("\n", "")
    ranking = tmp_path / "r.txt"
    status, _, err = resight("search", tmp_path / "gallery", images, "--course", ranking, capsys=capsys)
    assert status == 0, err
    assert "3 of 6 images left out, with names that no file can hold" in err
    assert [line.partition(":")[0] for line in ranking.read_text().splitlines()] == ["0.png", "1.png", "2.png"]
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/J\xfcrgen.png")
    shutil.copy(query, odd)
    status, _, err = resight("search", tmp_path / "gallery", odd, "--course", tmp_path / "s.txt", capsys=capsys)
    assert (status, err) == (2, f"error: {tmp_path}/J\\xfcrgen.png: its name is not UTF-8; rename it\n")
    status, out, _ = resight("search", tmp_path / "gallery", odd, "--picture", tmp_path / "p.png", capsys=capsys)
    assert status == 0
    assert Image.open(tmp_path / "p.png").width > 100
    status, out, _ = resight("data", "inspect", "--data", f"folders:{images}", "--out", tmp_path / "i", capsys=capsys)
    assert status == 0
    status, _, err = resight(
        "embed", trained.folder, os.path.dirname(query), "--out", tmp_path / "g.parquet", capsys=capsys
    )
    assert (
        status,
        err.splitlines()[-1].endswith("no image has a name in UTF-8; rename them, with convmv for example"),
    ) == (2, True)
