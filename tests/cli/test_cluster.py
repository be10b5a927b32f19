"""`resight cluster` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.numpy

from resight.cli import main
from resight.data.formats import read_dataset
from resight.data.formats.manifest import write_manifest
from resight.records import ReidDataset
from tests.support.commands import resight
from tests.support.legacy import LEGACY
from tests.support.recipes import tiny_overrides


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, crowd: ReidDataset) -> Path:
    """A trained run, and the manifest of its data beside it."""
    folder = tmp_path_factory.mktemp("clusters")
    write_manifest(folder / "street.csv", crowd)
    data = f"manifest:{folder / 'street.csv'}"
    with pytest.raises(SystemExit):
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
    return folder / "run"


@pytest.fixture(scope="module")
def data(run: Path) -> str:
    return f"manifest:{run.parent / 'street.csv'}"


@pytest.mark.slow
def test_cluster_then_assign(
    run: Path, data: str, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, new = tmp_path / "made", tmp_path / "new"
    status, out, err = resight(
        "cluster", run, data, "--out", made, "--learn-on", data, "--split", "train", capsys=capsys
    )
    assert status == 0, err
    for words in ("48 images in", "learned cut: mAP", "purity", "adjusted Rand", "by chance", "course protocol"):
        assert words in out, words
    assert {path.name for path in made.iterdir()} == {
        "assignments.csv", "centroids.safetensors", "clusters.json", "contact-sheet.jpg", "manifest.csv", "report.html"
    }  # fmt: skip
    count = json.loads((made / "clusters.json").read_text())["clusters"]
    assert f"in {count} clusters" in out
    assert len(read_dataset(f"manifest:{made / 'manifest.csv'}").train) == 48

    before = (made / "clusters.json").read_bytes(), (made / "centroids.safetensors").read_bytes()
    status, out, _ = resight("cluster", run, data, "--assign", made, "--out", new, capsys=capsys)
    assert status == 0
    assert len(read_dataset(f"manifest:{new / 'manifest.csv'}").train) == len(crowd.gallery)
    assert before == ((made / "clusters.json").read_bytes(), (made / "centroids.safetensors").read_bytes())

    status, out, _ = resight("embed", run, data, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0
    options = ["--method", "density", "--smallest", "2"]
    status, out, _ = resight("cluster", run, tmp_path / "f.parquet", "--out", tmp_path / "d", *options, capsys=capsys)
    assert status == 0
    assert f"{len(crowd.gallery)} images in" in out
    # Everything in one cluster is said, and is no error.
    status, out, err = resight("cluster", run, data, "--out", tmp_path / "one", "--threshold", "99", capsys=capsys)
    assert status == 0
    assert "all images are one cluster" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--clusters", "100"], "100 clusters of 12 images: ask for 1 to 12"),
        (["--method", "density", "--smallest", "50"], "clusters of at least 50 images: give 2 to 12"),
        (["--method", "hierarchy", "--clusters", "2"], "did you mean 'hierarchical'"),
        (["--clusters", "2", "--linkage", "centroid"], "unknown linkage 'centroid'"),
        (["--clusters", "2", "--memory", "0"], "over the limit of 0"),
        (["--clusters", "2", "--split", "test"], "no split 'test'; a dataset has train, query, gallery"),
        (["--assign", "nowhere"], "holds no clusters"),
        (["--learn-on", "manifest:/nowhere.csv"], "/nowhere.csv"),
    ],
)
def test_bad_input_is_one_line(
    run: Path, data: str, options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("cluster", run, data, "--out", tmp_path / "c", *options, capsys=capsys)
    assert status == 2
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--clusters", "2", "--threshold", "1"],
        ["--method", "gaussian-mixture"],
        ["--method", "density", "--clusters", "3"],
        ["--method", "density", "--linkage", "ward"],
        ["--method", "gaussian-mixture", "--clusters", "2", "--learn-on", "manifest:x"],
        ["--clusters", "2", "--smallest", "3"],
        ["--assign", "made", "--clusters", "2"],
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("cluster", "run", "images", "--out", tmp_path / "c", *options, capsys=capsys)
    assert status == 2
    assert "Invalid value" in err


def test_a_file_of_features_must_be_the_runs_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, options = LEGACY / "features.parquet", ["--clusters", 2, "--out", tmp_path / "made"]
    status, out, err = resight("cluster", LEGACY / "runs" / "bruna", file, *options, capsys=capsys)
    assert status == 0, err
    assert "7 images in 2 clusters" in out
    facts = json.loads((tmp_path / "made" / "clusters.json").read_text())
    assert facts["metric"] == "euclidean", "features alone have means"
    assert safetensors.numpy.load_file(tmp_path / "made" / "centroids.safetensors")["centroids"].shape == (2, 16)
    status, _, err = resight("cluster", LEGACY / "runs" / "vae", file, *options, capsys=capsys)
    assert status == 2
    assert "holds features of 22 numbers, this run makes 4: another model made them" in " ".join(err.split())
