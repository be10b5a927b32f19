"""`resight cluster` as a user types it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import safetensors.numpy

from resight.data.formats import read_dataset
from resight.records import ReidDataset
from resight.run import Run
from tests.support.commands import resight
from tests.support.legacy import LEGACY
from tests.support.pages import quoted


@pytest.mark.slow
def test_cluster_then_assign(
    trained: Run, crowd_spec: str, crowd: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, new = tmp_path / "made", tmp_path / "new"
    status, out, err = resight(
        "cluster",
        trained.folder,
        crowd_spec,
        "--out",
        made,
        "--learn-on",
        crowd_spec,
        "--split",
        "train",
        capsys=capsys,
    )
    assert status == 0, err
    for words in (
        "48 images in",
        "learned cut: mAP",
        "on 48 labelled images, which",
        "purity",
        "adjusted Rand",
        "by chance",
        "course protocol",
    ):
        assert words in out, words
    assert {path.name for path in made.iterdir()} == {
        "assignments.csv", "centroids.safetensors", "clusters.json", "contact-sheet.jpg", "manifest.csv", "report.html"
    }  # fmt: skip
    count = json.loads((made / "clusters.json").read_text())["clusters"]
    assert f"in {count} clusters" in out
    assert len(read_dataset(f"manifest:{made / 'manifest.csv'}").train) == 48

    before = (made / "clusters.json").read_bytes(), (made / "centroids.safetensors").read_bytes()
    status, out, _ = resight("cluster", trained.folder, crowd_spec, "--assign", made, "--out", new, capsys=capsys)
    assert status == 0
    assert len(read_dataset(f"manifest:{new / 'manifest.csv'}").train) == len(crowd.gallery)
    assert before == ((made / "clusters.json").read_bytes(), (made / "centroids.safetensors").read_bytes())

    status, out, _ = resight("embed", trained.folder, crowd_spec, "--out", tmp_path / "f.parquet", capsys=capsys)
    assert status == 0
    options = ["--method", "density", "--smallest", "2"]
    status, out, _ = resight(
        "cluster", trained.folder, tmp_path / "f.parquet", "--out", tmp_path / "d", *options, capsys=capsys
    )
    assert status == 0
    assert f"{len(crowd.gallery)} images in" in out
    # Everything in one cluster is said, and is no error.
    status, out, err = resight(
        "cluster", trained.folder, crowd_spec, "--out", tmp_path / "one", "--threshold", "99", capsys=capsys
    )
    assert status == 0
    assert "all images are one cluster; a lower --threshold makes more" in err
    words = ["cluster", trained.folder, crowd_spec, "--out", tmp_path / "each", "--threshold", "0"]
    status, out, err = resight(*words, capsys=capsys)
    assert status == 0
    assert "every image is a cluster of its own; a higher --threshold makes fewer" in err


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
    trained: Run, crowd_spec: str, options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("cluster", trained.folder, crowd_spec, "--out", tmp_path / "c", *options, capsys=capsys)
    assert status == 2
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "c").exists()


CUT = "give one of --clusters N, --threshold T and --learn-on FORMAT:PATH to cut the hierarchy"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], CUT),
        (["--clusters", "2", "--threshold", "1"], CUT),
        (["--method", "gaussian-mixture"], "gaussian-mixture needs --clusters N"),
        (["--method", "density", "--clusters", "3"], "density takes no --clusters"),
        (["--method", "density", "--linkage", "ward"], "density takes no --linkage"),
        (
            ["--method", "gaussian-mixture", "--clusters", "2", "--learn-on", "manifest:x"],
            "gaussian-mixture has no cut to learn; leave out --learn-on",
        ),
        (["--clusters", "2", "--smallest", "3"], "hierarchical takes no --smallest"),
        (["--assign", "made", "--clusters", "2"], "--assign uses existing clusters; leave out the options that"),
        (
            ["--assign", "made", "--method", "density"],
            "--assign uses existing clusters; leave out the options that",
        ),
        (["--clusters", "2", "--figure", "nmi"], "--figure is for --learn-on"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = resight("cluster", "run", "images", "--out", tmp_path / "c", *options, capsys=capsys)
    assert status == 2
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1


def test_a_file_of_features_must_be_the_runs_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, options = LEGACY / "features.parquet", ["--clusters", 2, "--out", tmp_path / "made"]
    status, out, err = resight("cluster", LEGACY / "runs" / "bruna", file, *options, capsys=capsys)
    assert status == 0, err
    assert "7 images in 2 clusters" in out
    facts = json.loads((tmp_path / "made" / "clusters.json").read_text())
    assert facts["metric"] == "euclidean", "features alone have means"
    assert safetensors.numpy.load_file(tmp_path / "made" / "centroids.safetensors")["centroids"].shape == (2, 16)
    status, _, err = resight("cluster", LEGACY / "runs" / "vae", file, *options, "--force", capsys=capsys)
    assert status == 2
    assert "holds features of 22 numbers, this run makes 4: another model made them" in " ".join(err.split())


def test_the_command_that_a_report_quotes_runs_with_blanks_in_paths(
    kinds: dict[str, Path], people: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, out = Path(people.partition(":")[2]).parent, tmp_path / "some clusters"
    words = ["cluster", kinds["vae"], images, "--clusters", "3", "--out", out]
    assert resight(*words, capsys=capsys)[0] == 0
    line = quoted(out / "report.html")
    assert sorted(shlex.split(line)[1:]) == sorted(map(str, words))
    assert resight(*shlex.split(line)[1:], "--force", capsys=capsys)[0] == 0
