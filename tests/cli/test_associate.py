"""`resight associate` as a user types it, from frames to people, and `--tracklets` of embed and index."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from resight.data.formats import read_dataset
from resight.gallery import Gallery
from resight.gallery.rows import FIELDS
from resight.records import Embeddings
from resight.run import Run
from tests.support.calibrations import calibrated
from tests.support.commands import resight
from tests.support.footage import write_sequence


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three people who pass two cameras."""
    from resight.cli import main

    folder = tmp_path_factory.mktemp("crops")
    for name in ("east", "west"):
        write_sequence(folder / "all" / name, frames=5)
    words = [
        "data",
        "crops",
        "--mot",
        folder / "all",
        "--identities",
        "shared",
        "--split",
        "gallery",
        "--out",
        folder / "crops",
    ]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code
    return f"manifest:{folder / 'crops' / 'manifest.csv'}"


@pytest.mark.slow
def test_from_crops_to_individuals(
    trained: Run,
    kinds: dict[str, Path],
    crops: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "people"
    words = ["associate", trained.folder, crops, "--out", out, "--threshold", "0.05"]
    status, said, err = resight(*words, capsys=capsys)
    assert status == 0, err
    assert "6 tracklets of 30 images: " in said
    assert "joined up to distance 0.05; 6 pairs exclude each other" in said
    assert re.search(r"each tracklet alone +50\.0", said)
    assert {path.name for path in out.iterdir()} == {"manifest.csv", "tracklets.csv"}
    assert len(read_dataset(f"manifest:{out / 'manifest.csv'}").gallery) == 30
    status, _, err = resight(*words, capsys=capsys)
    assert status == 2
    assert "or --force to write over it" in err

    status, said, err = resight(*words, "--force", "--travel", "1,2=1..60", capsys=capsys)
    assert status == 0, err
    assert "6 tracklets of 30 images: 6 individuals" in said, "both cameras see all of them at one time"
    status, said, err = resight(*words, "--force", "--junk", kinds["autoencoder"], capsys=capsys)
    assert status == 0, err
    assert "left out" not in said, "30 images have no highest hundredth"
    monkeypatch.setattr("resight.tasks.tracklets.pooling._MANY", 30)
    status, said, err = resight(*words, "--force", "--junk", kinds["autoencoder"], capsys=capsys)
    assert status == 0, err
    assert re.search(r"[1-9]\d* of 30 images left out as junk", said)
    status, _, err = resight("associate", trained.folder, crops, "--out", tmp_path / "more", capsys=capsys)
    assert status == 2
    assert "6 pairs of tracklets are seen at one time by one camera, too few to tell a threshold from; give one" in err


@pytest.mark.slow
def test_a_tracklet_is_one_entry(trained: Run, crops: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, gallery = tmp_path / "f.parquet", tmp_path / "gallery"
    status, said, err = resight("embed", trained.folder, crops, "--tracklets", "--out", file, capsys=capsys)
    assert status == 0, err
    assert "6 tracklets of 30 images" in said
    assert "6 entries × " in said
    entries = Embeddings.load(file).records
    assert [(entry.camera, entry.tracklet) for entry in entries] == [(c, t) for c in (1, 2) for t in (1, 2, 3)]
    assert dict(entries[0].attributes) == {"tracklet_images": "5", "tracklet_start": "0", "tracklet_end": "400"}
    status, said, err = resight(
        "associate", trained.folder, file, "--threshold", 0.05, "--out", tmp_path / "p", capsys=capsys
    )
    assert status == 0, err
    assert "6 tracklets of 6 images" in said
    status, said, err = resight("index", trained.folder, crops, "--tracklets", "--out", gallery, capsys=capsys)
    assert status == 0, err
    assert f"6 entries added, 6 in {gallery}" in said
    assert len(Gallery.open(gallery)) == 6


def test_a_tracklet_that_has_grown_stays_one_entry(
    trained: Run, kinds: dict[str, Path], crops: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery, lines = tmp_path / "gallery", Path(crops.partition(":")[2]).read_text().splitlines()
    column = lines[0].split(",").index("frame")
    whole, partial = tmp_path / "whole.csv", tmp_path / "partial.csv"
    folder = Path(crops.partition(":")[2]).parent
    absolute = [",".join([str(folder / line.split(",")[0]), *line.split(",")[1:]]) for line in lines[1:]]
    east = [line for line in absolute if "/west/" not in line]
    whole.write_text("\n".join([lines[0], *absolute]))
    partial.write_text("\n".join([lines[0], *(line for line in east if int(line.split(",")[column]) < 4)]))

    def indexed(manifest: Path, *words: object) -> str:
        status, said, err = resight(
            "index", trained.folder, f"manifest:{manifest}", "--tracklets", "--out", gallery, *words, capsys=capsys
        )
        assert status == 0, err
        return said

    assert f"3 tracklets of 9 images\n3 entries added, 3 in {gallery}" in indexed(partial)
    opened = Gallery.open(gallery)
    opened.update(opened.ids({"tracklet": 2}), {"name": "Ann"})
    assert f"0 entries added (3 were there already), 3 in {gallery}" in indexed(partial)
    grown = indexed(whole)
    assert f"6 tracklets of 30 images\n3 entries added, 3 changed entries embedded again, 6 in {gallery}" in grown
    found = Gallery.open(gallery).records
    assert sorted((one.camera, one.tracklet) for one in found) == [(c, t) for c in (1, 2) for t in (1, 2, 3)]
    assert {one.attributes["tracklet_images"] for one in found} == {"5"}
    assert [(one.camera, one.tracklet) for one in found if one.attributes.get("name") == "Ann"] == [(1, 2)]
    assert "0 entries added (6 were there already)" in indexed(whole)

    parts, other = tmp_path / "parts", tmp_path / "imported"
    for manifest, told in ((partial, "3 images of"), (whole, "6 images of"), (whole, "(0 of them new), 6 in")):
        shutil.rmtree(parts, ignore_errors=True)
        for share in ("1/2", "2/2"):
            words = ["embed", trained.folder, f"manifest:{manifest}", "--tracklets", "--shard", share, "--out", parts]
            assert resight(*words, capsys=capsys)[0] == 0
        status, said, err = resight("gallery", "import", parts, "--out", other, capsys=capsys)
        assert status == 0, err
        assert told in said
        opened = Gallery.open(other)
        if manifest == partial:
            opened.update(opened.ids({"tracklet": 2}), {"name": "Ann"})
    key = {(one.camera, one.tracklet, one.path, one.attributes["tracklet_images"]) for one in found}
    assert {(one.camera, one.tracklet, one.path, one.attributes["tracklet_images"]) for one in opened.records} == key
    assert [(one.camera, one.tracklet) for one in opened.records if one.attributes.get("name")] == [(1, 2)]
    assert "changed entries embedded again" in indexed(whole, "--attributes", kinds["attributes"])
    moved = shutil.copytree(kinds["attributes"], tmp_path / "moved")
    assert "0 entries added (6 were there already)" in indexed(whole, "--attributes", moved), "the same run, elsewhere"
    judged = indexed(whole, "--junk", kinds["autoencoder"])
    assert re.search(r"0 entries added, \d changed entries embedded again, 6 in", judged), "made another way"


@pytest.mark.slow
def test_a_gallery_gets_the_individuals_of_its_tracklets(
    trained: Run, crops: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, gallery = shutil.copytree(trained.folder, tmp_path / "run"), tmp_path / "gallery"
    status, _, err = resight("index", run, crops, "--out", gallery, capsys=capsys)
    assert status == 0, err
    truth = {record.path: record.identity for record in Gallery.open(gallery).records}
    words = ["associate", gallery, "--threshold", "0.05"]
    numbers = []
    for _ in range(2):  # the second run changes nothing
        status, said, err = resight(*words, "--write", "individual", capsys=capsys)
        assert status == 0, err
        assert f"30 images of {gallery} have their individual in the column individual" in said
        records = Gallery.open(gallery).records
        numbers.append({record.path: record.attributes["individual"] for record in records})
    assert numbers[0] == numbers[1]
    assert re.search(r"each tracklet alone +50\.0", said), "identities are known, and stay"
    assert {record.path: record.identity for record in records} == truth
    status, said, err = resight("associate", run, crops, "--threshold", "0.05", "--out", tmp_path / "p", capsys=capsys)
    assert status == 0, err
    of_images = {
        record.path: str(record.identity) for record in read_dataset(f"manifest:{tmp_path / 'p'}/manifest.csv")
    }
    pairs = {(numbers[0][path], of_images[path]) for path in truth}
    assert len(pairs) == len({*of_images.values()}) == len({*numbers[0].values()}), "as of the images themselves"

    # An identity that is not among the numbers that individuals get.
    renamed = ["gallery", "update", gallery, "--where", "camera=1", "--set", "identity=77"]
    status, _, err = resight(*renamed, capsys=capsys)
    assert status == 0, err
    truth = {record.path: record.identity for record in Gallery.open(gallery).records}
    assert 77 in truth.values()
    status, _, err = resight("associate", gallery, "--threshold", "0", "--write", "identity", capsys=capsys)
    assert status == 2
    assert re.search(r"\d+ images of .* have other identities; write another column, as --write individual", err)
    assert {record.path: record.identity for record in Gallery.open(gallery).records} == truth
    status, _, err = resight("associate", gallery, "--threshold", "0", "--write", "identity", "--force", capsys=capsys)
    assert status == 0, err
    status, said, err = resight("associate", gallery, "--threshold", "0", "--write", "identity", capsys=capsys)
    assert status == 0, "they are what they were"
    assert re.search(r"associated +100\.0", said)

    status, _, err = resight("associate", gallery, "--accept", "0.6", "--out", tmp_path / "q", capsys=capsys)
    assert status == 2
    assert "nothing tells the probability of a distance; run `resight calibrate" in err
    calibrated(run)
    status, said, err = resight("associate", gallery, "--accept", "0.6", "--out", tmp_path / "q", capsys=capsys)
    assert status == 0, err
    assert "note: the probabilities were fitted on street" in err
    assert "joined up to distance 1, where a pair has a probability of 0.6; 6 pairs" in said
    status, _, err = resight("associate", gallery, "--accept", "0.95", "--out", tmp_path / "r", capsys=capsys)
    assert status == 2
    assert "no score has a probability of 0.95; the highest is 0.900" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["associate", "run", "manifest:m.csv", "--travel", "1,2=9"], "'1,2=9' is no travel time"),
        (
            ["associate", "run", "f.parquet", "--split", "train"],
            "--split is for FORMAT:PATH; f.parquet is a feature file",
        ),
        (["associate", "run", "f.parquet", "--write", "individual"], "--write is for a gallery; f.parquet is none"),
        *(
            (["associate", "gallery", "--write", name], f"--write {name} would write over what is known of the images")
            for name in ("id", *(column.name for column in FIELDS if column.name != "identity"))
        ),
        (["associate", "run"], "run is no gallery; give a run and the images"),
        (["associate", "g", "--threshold", "1", "--accept", "0.5"], "--threshold and --accept say the same"),
        (["embed", "run", "crops", "--junk", "runs/junk"], "--junk is for --tracklets"),
        (["index", "run", "crops", "--junk", "runs/junk"], "--junk is for --tracklets"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("f.parquet" if words[0] == "embed" else "out")
    status, _, err = resight(*words, "--out", out, capsys=capsys)
    assert status == 2
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1


def test_a_result_needs_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in ((["run", "crops"], "--out people"), (["gallery"], "--out people, or --write")):
        status, _, err = resight("associate", *words, capsys=capsys)
        assert (status, err) == (2, f"error: name a folder for the result: {told}\n")
