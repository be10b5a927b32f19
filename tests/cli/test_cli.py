"""The command as a user types it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from resight.cli import main
from resight.data.formats import FORMATS
from resight.data.formats.manifest import write_manifest
from resight.records import Embeddings, ReidDataset
from tests.support.commands import resight
from tests.support.images import corrupt
from tests.support.recipes import tiny_overrides

COMMANDS = [
    "demo",
    "data augment",
    "data formats",
    "data inspect",
    "data split",
    "data synthesize",
    "data sample",
    "train",
    "evaluate",
    "embed",
    "index",
    "search",
    "cluster",
    "junk scan",
    "junk review",
    "junk apply",
]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['resight', '--help']\n"
        "from resight.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'lightning', 'matplotlib', 'pyarrow', 'PIL', 'faiss', 'timm', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for command in COMMANDS:
        assert command.split()[0] in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight(*command.split(), "--help", capsys=capsys)
    assert status == 0
    assert f"resight {command}" in out


def test_documentation_is_what_the_help_says() -> None:
    root = Path(__file__).parent.parent.parent
    checked = subprocess.run([sys.executable, root / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert resight("--version", capsys=capsys)[1].startswith("resight 0.")


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


def test_formats_are_listed_as_the_table_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("data", "formats", capsys=capsys)
    assert status == 0
    assert all(re.search(rf"(?m)^\W*{name}\s", out) for name in FORMATS)


def test_data_commands(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
