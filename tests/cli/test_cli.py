"""The command as a user types it: from training to a hit, and every error one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from resight.cli import main
from resight.data.formats.manifest import write_manifest
from resight.errors import RunError
from resight.records import Embeddings, ReidDataset
from tests.support.commands import resight
from tests.support.images import corrupt
from tests.support.recipes import tiny_overrides


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, crowd: ReidDataset) -> Path:
    """A folder with a manifest and a trained run."""
    folder = tmp_path_factory.mktemp("street")
    write_manifest(folder / "street.csv", crowd)
    data = f"manifest:{folder / 'street.csv'}"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "train",
                "reid-strong-baseline",
                *tiny_overrides(),
                "--data",
                data,
                "--out",
                str(folder / "run"),
                "--quiet",
            ]
        )
    assert not ended.value.code
    return folder


def test_train_evaluate_index_search(
    street: Path, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = f"manifest:{street / 'street.csv'}", street / "run"
    status, out, _ = resight(
        "evaluate",
        run,
        "--data",
        data,
        "--rerank",
        "--baselines",
        "--report",
        tmp_path / "r.html",
        capsys=capsys,
    )
    assert status == 0
    for word in ("mAP", "rank-1", "mINP", "re-ranked", "chance", "colour histogram", "precision"):
        assert word in out, word
    report = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "data:image" in report or "<svg" in report
    for section in ("Ranked lists", "Where the model looks", "Feature maps", "Feature space"):
        assert f">{section}</h2>" in report, section
    assert "Nothing is shown" not in report

    status, out, _ = resight("evaluate", run, "--data", data, "--json", "--report", tmp_path / "r.html", capsys=capsys)
    assert 0 <= json.loads(out)["model"]["mAP"] <= 1

    images = tmp_path / "crops"
    images.mkdir()
    for number, record in enumerate(crowd.gallery):
        Image.open(record.path).save(images / f"{number}.png")
    corrupt(images / "bad.jpg")
    status, out, err = resight("embed", run, images, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0
    assert "bad.jpg" in err
    assert len(Embeddings.load(tmp_path / "f.parquet")) == len(crowd.gallery)

    status, out, err = resight("index", run, images, "--out", tmp_path / "gallery", capsys=capsys)
    assert status == 0
    assert f"{len(crowd.gallery)} images added" in out
    assert "1 of the images could not be read" in err
    other = shutil.copytree(run, tmp_path / "other")
    recipe = other / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("metric: cosine", "metric: euclidean"))
    status, _, err = resight("index", other, images, "--out", tmp_path / "gallery", capsys=capsys)
    assert status == 2
    assert f"embeddings of another model: {other}" in err
    query = images / "3.png"
    status, out, _ = resight(
        "search", tmp_path / "gallery", query, "-k", "3", "--picture", tmp_path / "p.png", capsys=capsys
    )
    assert status == 0
    assert "3.png" in out
    assert Image.open(tmp_path / "p.png").width > 100
    status, out, _ = resight("search", tmp_path / "gallery", query, "--json", capsys=capsys)
    hits = json.loads(out)[str(query)]
    assert len(hits) == 10
    assert hits[0]["path"].endswith("3.png")
    assert hits[0]["score"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "nowhere", "--data", "manifest:{street}/street.csv"], "resight train"),
        (["evaluate", "{street}/run", "--data", "market1501:/nowhere"], "/nowhere"),
        (["evaluate", "{street}/run", "--data", "markt1501:/nowhere"], "market1501"),
        (
            ["train", "reid-strong-baselin", "--data", "x", "--out", "y"],
            "did you mean 'reid-strong-baseline'",
        ),
        (["train", "reid-strong-baseline", "epoch=3", "--data", "x", "--out", "y"], "did you mean 'epochs'"),
        (["train", "--resume", "nowhere"], "no run folder"),
        (["index", "{street}/run", "/nowhere", "--out", "g"], "/nowhere"),
        (["search", "nowhere", "q.jpg"], "resight index"),
        (["embed", "{street}/run", "{street}/street.csv", "--out", "f.parquet"], "street.csv"),
    ],
)
def test_bad_input_is_one_line(
    street: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight(*(argument.format(street=street) for argument in arguments), capsys=capsys)
    assert status == 2
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_file_where_a_folder_should_be_is_one_line(crowd: ReidDataset, tmp_path: Path, capsys) -> None:
    write_manifest(tmp_path / "crowd.csv", crowd)
    (tmp_path / "taken").write_text("a file")
    data, out = f"manifest:{tmp_path / 'crowd.csv'}", tmp_path / "taken"
    status, _, err = resight(
        "train", "reid-strong-baseline", *tiny_overrides(), "--data", data, "--out", out, capsys=capsys
    )
    assert status == 2
    assert err.splitlines()[-1] == f"error: {out}: File exists"


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
