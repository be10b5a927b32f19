"""Where a command will write is tried first: nothing is worked out that cannot be kept."""

from __future__ import annotations

import inspect
import shutil
from contextlib import suppress
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from PIL import Image
from typer.main import get_command

from resight.cli import main
from resight.cli.app import app
from resight.cli.destinations import replaced, require_file, require_folder, require_free, require_other
from resight.data.formats import read_dataset
from resight.errors import OptionError
from resight.run import Run
from resight.tasks.junk.review import Review
from tests.support.commands import resight
from tests.support.disk import full_disk
from tests.support.footage import write_sequence
from tests.support.recipes import tiny_overrides


def test_a_trial_leaves_nothing_behind(tmp_path: Path) -> None:
    require_file(tmp_path / "a" / "b" / "f.csv", (".csv",))
    require_folder(tmp_path / "c" / "d")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.csv").write_text("old")
    require_file(tmp_path / "old.csv", (".csv",))
    require_folder(tmp_path)
    assert [(child.name, child.read_text()) for child in tmp_path.iterdir()] == [("old.csv", "old")]


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for require, path, told in (
        (require_file, tmp_path, "a folder; name a file in it"),
        (require_folder, tmp_path / "file", "a file; name a folder"),
        (require_file, tmp_path / "file" / "f.csv", "cannot be written there"),
        (require_folder, tmp_path / "file" / "deeper", "cannot be written there"),
        (require_file, Path("/proc/f.csv"), "cannot be written there"),
    ):
        with pytest.raises(OptionError, match=f"^--out {path}: {told}"):
            require(path)
    with pytest.raises(OptionError, match=r"^--picture a.bmp: name a file that ends in .png, .jpg$"):
        require_file(Path("a.bmp"), (".png", ".jpg"), "--picture")


NOWHERE = "/proc/nowhere"
COMMANDS = [
    ["embed", "no-run", "no-images", "--out", f"{NOWHERE}/f.parquet"],
    ["embed", "no-run", "no-images", "--out", "f.csv"],
    ["index", "no-run", "no-images", "--out", NOWHERE],
    ["import", "no-file", "--as", "osnet_x0_25", "--out", NOWHERE],
    ["search", "no-gallery", "no.jpg", "--picture", f"{NOWHERE}/ranked.png"],
    ["search", "no-gallery", "no.jpg", "--picture", "ranked.gif"],
    ["calibrate", "no-run", "--data", "folders:no-data", "--picture", f"{NOWHERE}/reliability.png"],
    ["calibrate", "no-run", "--data", "folders:no-data", "--picture", "reliability.jpg"],
    ["cluster", "no-run", "no-images", "--out", NOWHERE, "--clusters", "2"],
    ["evaluate", "no-run", "--data", "folders:no-data", "--report", f"{NOWHERE}/r.html"],
    ["evaluate", "no-run", "--data", "folders:no-data", "--report", "r.pdf"],
    ["train", "reid-vae", "--data", "folders:no-data", "--out", NOWHERE],
    ["tune", "reid-vae", "--data", "folders:no-data", "--out", NOWHERE],
    ["reproduce", "vehicle-heads", "--data", "folders:no-data", "--out", NOWHERE],
    ["demo", "--out", NOWHERE],
    ["junk", "scan", "no-run", "no-images", "--out", NOWHERE],
    ["search", "no-gallery", "no.jpg", "--course", f"{NOWHERE}/reid_test.txt"],
    ["search", "no-gallery", "no.jpg", "--course", "ranking.csv"],
    ["junk", "apply", "no-scan", "--data", "folders:no-data", "--out", f"{NOWHERE}/kept.csv"],
    ["junk", "apply", "no-scan", "--data", "folders:no-data", "--out", "kept.txt"],
    ["data", "inspect", "--data", "folders:no-data", "--out", NOWHERE],
    ["data", "split", "--data", "folders:no-data", "--out", f"{NOWHERE}/split.csv"],
    ["data", "augment", "reid-vae", "no.jpg", "--out", f"{NOWHERE}/augmentations.png"],
    ["data", "synthesize", NOWHERE],
    ["data", "sample", "no-run", "--out", NOWHERE],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_place_that_cannot_be_had_is_found_before_anything_is_read(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = resight(*words, capsys=capsys)
    option = (
        "OUT"
        if "synthesize" in words
        else next(word for word in words if word in ("--out", "--picture", "--report", "--course"))
    )
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {option} {words[words.index(option) + 1] if option != 'OUT' else NOWHERE}: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_refused_replaced_or_an_input(tmp_path: Path) -> None:
    new, old, empty, full = (tmp_path / name for name in ("new.csv", "old.csv", "empty", "full"))
    old.write_text("by hand")
    empty.mkdir()
    full.mkdir()
    (full / "mask.png").touch()
    for path in (new, empty):
        require_free(path, force=False)
        assert replaced(path) == ""
    for path, told in ((old, "a file that exists"), (full, "a folder that holds files")):
        require_free(path, force=True)
        assert replaced(path) == " (replaced)"
        with pytest.raises(OptionError, match=f"^--out {path}: {told}; choose another, or --force to write over it$"):
            require_free(path, force=False)
    require_other(old, [new, str(full)])
    require_other(new, [new])
    (tmp_path / "link.csv").symlink_to(old)
    with pytest.raises(OptionError, match=f"^--picture {old}: an input of this command; choose another file"):
        require_other(old, [tmp_path / "link.csv"], "--picture")


# What becomes of an output that is there already. A command with an output that is not here has not been thought about:
# say what it does (resight/cli/destinations.py), and give it a line that works, the output last.
DATA = {
    "embed --out": "embed {embedding} {people} --out f.parquet",
    "predict --out": "predict {attributes} {people} --out predictions.csv",
    "export --out": "export {embedding} --out model.onnx",
    "import --out": "import {embedding} --out imported/",
    "gallery export --out": "gallery export {gallery} --out street.parquet",
    "associate --out": "associate {embedding} {crops} --threshold 0.1 --out people/",
    "cluster --out": "cluster {vae} {people} --clusters 2 --out clusters/",
    "junk apply --out": "junk apply {scan} --data {people} --out kept.csv",
    "data split --out": "data split --data {people} --ratio 0.5 --out split.csv",
    "data sample --out": "data sample {vae} --images 2 --out samples/",
    "data synthesize OUT": "data synthesize --identities 6 --height 32 --width 16 --processes 1 street/",
    "search --course": "search {gallery} {image} --course reid_test.txt",
    "train --out": "train reid-vae {tiny} sampler.batch_size=2 --data {people} --out run/",
}
VIEWS = {
    "calibrate --picture": "calibrate {calibratable} --data {crowd} --on train --picture reliability.png",
    "evaluate --report": "evaluate {embedding} --data {people} --report r.html",
    "curves --out": "curves {trained} --out curves.png",
    "search --picture": "search {gallery} {image} --picture ranked.jpg",
    "data augment --out": "data augment reid-vae {image} --out changed.png",
    "data inspect --out": "data inspect --data {people} --out charts/",
    "junk scan --out": "junk scan {autoencoder} {people} --out suspects/",
}
GOES_ON = {
    "data crops --out": "data crops --mot {sequence} --out crops/",
    "index --out": "index {embedding} {people} --out gallery/",
    "embed --crops": "embed {embedding} {sequence} --boxes gt --out f.parquet --crops crops/",
    "index --crops": "index {embedding} {sequence} --boxes gt --out gallery --crops crops/",
    "gallery import --out": "gallery import {gallery} --out copy/",
    "tune --out": "tune reid-vae image.height=32 image.width=16 sampler.batch_size=2 optimiser.lr=1e-5:1e-3:log validation.ratio=0.5 --data {people} --trials 1 --out search/",
    "reproduce --out": "reproduce camera-mining model.backbone=resnet10t model.pretrained=false image.height=32 image.width=16 "
    "sampler.identities=2 sampler.images=2 --data {people} --epochs 1 --rows 1 --out table/",
    "demo --out": "demo epochs=1 --out street/",
}
INPUTS = {
    "train --resume", "tune --space", "cluster --assign", "curves RUNS", "data augment IMAGE", "search GALLERY", "serve GALLERY",
    "gallery info GALLERY", "gallery delete GALLERY", "gallery update GALLERY", "gallery update --from",
    "gallery compact GALLERY", "gallery export GALLERY", "gallery reindex GALLERY",
    "junk review FOLDER", "junk apply FOLDER", "data crops --mot", "data crops --video",
}  # fmt: skip
LISTS = {"embed --failed", "index --failed"}
"""Made anew beside another output; tests/cli/test_embed.py and test_index.py read them."""
OWN_WORDS = {
    "data sample --out": "exists and is not an empty folder; name another, or remove it first",
    "data synthesize OUT": "exists and is not an empty folder; name another, or remove it first",
    "import --out": "imported exists already; choose another --out",
    "train --out": "run holds a run already; `resight train --resume run` continues it, or choose another --out",
}
"""Folders that no --force writes over."""


@pytest.fixture(scope="module")
def inputs(
    kinds: dict[str, Path], trained: Run, people: str, crowd_spec: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """What the lines above name: a run of each kind, labelled people, one of their images, a gallery, a reviewed scan."""
    folder = tmp_path_factory.mktemp("inputs")
    gallery, scan = folder / "gallery", folder / "scan"
    for line in (
        ["index", kinds["embedding"], people, "--out", gallery],
        ["junk", "scan", kinds["autoencoder"], people, "--quantile", "0.9", "--out", scan],
        ["data", "crops", "--mot", write_sequence(folder / "sequence"), "--out", folder / "crops"],
    ):
        with suppress(SystemExit):
            main([str(word) for word in line])
    review = Review.open(scan)
    review.decide(0, "accepted")
    image = read_dataset(people).query[0].path
    return {
        **kinds,
        "trained": trained.folder,
        "calibratable": shutil.copytree(trained.folder, folder / "calibratable"),
        "crowd": crowd_spec,
        "people": people,
        "image": image,
        "gallery": folder / "gallery",
        "sequence": folder / "sequence",
        "crops": f"manifest:{folder / 'crops' / 'manifest.csv'}",
        "scan": folder / "scan",
    }


def words(line: str, inputs: dict[str, object]) -> list[str]:
    """A line above as the words of a command."""
    tiny = tiny_overrides("reid-vae")
    return [part for word in line.split() for part in (tiny if word == "{tiny}" else [word.format(**inputs)])]


def paths(command, name: str = "") -> set[str]:  # type: ignore[no-untyped-def]  # click objects, vendored by typer
    """Every option and argument that is a path, or a gallery's place: of what command, and how it is called."""
    if inner := getattr(command, "commands", None):
        return {found for called, sub in inner.items() for found in paths(sub, f"{name} {called}".strip())}
    hints = get_type_hints(inspect.unwrap(command.callback))
    taken = [
        part
        for part in command.params
        if Path in (hints[part.name], *get_args(hints[part.name])) or part.metavar == "GALLERY"
    ]
    return {f"{name} {part.opts[0] if part.param_type_name == 'option' else part.name.upper()}" for part in taken}


def test_every_output_of_every_command_is_thought_about() -> None:
    assert paths(get_command(app)) == {*DATA, *VIEWS, *GOES_ON, *INPUTS, *LISTS}


@pytest.mark.parametrize("output", DATA)
def test_data_that_is_there_is_not_written_over(
    output: str, inputs: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    line = words(DATA[output], inputs)
    kept = Path(line[-1]) / "run.json" if line[-1].endswith("/") else Path(line[-1])
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("by hand")
    status, out, err = resight(*line, capsys=capsys)
    assert (status, out) == (2, "")
    assert OWN_WORDS.get(output, "or --force to write over it") in err
    assert err.count("\n") == 1
    assert kept.read_text() == "by hand"
    if output not in OWN_WORDS:
        status, out, err = resight(*line, "--force", capsys=capsys)
        assert status == 0, err
        assert " (replaced)" in out


@pytest.mark.parametrize("output", VIEWS)
def test_a_view_is_made_anew_and_that_is_said(
    output: str, inputs: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    for anew in (False, True):
        status, out, err = resight(*words(VIEWS[output], inputs), capsys=capsys)
        assert status == 0, err
        assert (" (replaced)" in out) == anew


@pytest.mark.parametrize("output", {**DATA, **VIEWS, **GOES_ON})
def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_file(
    output: str, inputs: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    line = words({**DATA, **VIEWS, **GOES_ON}[output], inputs)
    with full_disk():
        status, _, err = resight(*line, capsys=capsys)
    assert status == 2
    *_, told = err.splitlines()
    assert told.startswith(f"error: {line[-1].rstrip('/')}")
    assert "File too large" in told or "the disk is full or broken; make room, then go on" in told
    assert "Traceback" not in err
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left if path.stat().st_size or path.name != "study.db"] == []
    if output not in ("reproduce --out", "demo --out", "tune --out"):  # long, and tested where they live
        status, _, err = resight(*line, capsys=capsys)
        assert status == 0 or "or --force to write over it" in err, err


def test_a_picture_is_not_written_over_what_is_searched(inputs: dict[str, object], tmp_path: Path, capsys) -> None:
    image, gallery = tmp_path / "query.png", tmp_path / "gallery"
    Image.new("RGB", (16, 32)).save(image)
    before = image.read_bytes()
    assert resight("index", inputs["embedding"], tmp_path, "--out", gallery, capsys=capsys)[0] == 0
    for line in (
        ["search", gallery, image, "--picture"],
        ["search", gallery, inputs["image"], "--picture"],
        ["data", "augment", "reid-vae", image, "--out"],
    ):
        status, _, err = resight(*line, image, capsys=capsys)
        assert status == 2
        assert err.endswith(f"{image}: an input of this command; choose another file\n")
    assert image.read_bytes() == before
