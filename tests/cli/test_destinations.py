"""Where a command will write is tried first: nothing is worked out that cannot be kept."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from PIL import Image
from typer.main import get_command

from resight.cli.app import app
from resight.cli.destinations import replaced, require_file, require_folder, require_free, require_other
from resight.data.formats import read_dataset
from resight.errors import OptionError
from tests.support.commands import resight


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
    ["search", "no-gallery", "no.jpg", "--picture", f"{NOWHERE}/ranked.png"],
    ["search", "no-gallery", "no.jpg", "--picture", "ranked.gif"],
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
# say what it does (resight/cli/destinations.py), and put it where a test below tries it.
DATA = {
    "embed --out": ["embed", "no-run", "no-images", "--out", "f.parquet"],
    "cluster --out": ["cluster", "no-run", "no-images", "--clusters", "2", "--out", "clusters/"],
    "junk apply --out": ["junk", "apply", "no-scan", "--data", "folders:no-data", "--out", "kept.csv"],
    "data split --out": ["data", "split", "--data", "folders:no-data", "--out", "split.csv"],
    "data sample --out": ["data", "sample", "{vae}", "--out", "samples/"],
    "data synthesize OUT": ["data", "synthesize", "street/"],
    "search --course": ["search", "no-gallery", "no-images", "--course", "reid_test.txt"],
    "predict --out": ["predict", "{attributes}", "no-images", "--out", "predictions.csv"],
    "train --out": ["train", "reid-vae", "--data", "{crowd}", "--out", "run/"],
}
VIEWS = {
    "evaluate --report": ["evaluate", "{embedding}", "--data", "{people}", "--report", "r.html"],
    "search --picture": ["search", "{gallery}", "{image}", "--picture", "ranked.jpg"],
    "data augment --out": ["data", "augment", "reid-vae", "{image}", "--out", "changed.png"],
    "data inspect --out": ["data", "inspect", "--data", "{people}", "--out", "charts"],
    "junk scan --out": ["junk", "scan", "{autoencoder}", "{people}", "--out", "suspects"],
}
GOES_ON = {"index --out", "tune --out", "reproduce --out", "demo --out"}
INPUTS = {
    "train --resume", "tune --space", "cluster --assign", "data augment IMAGE", "search GALLERY",
    "junk review FOLDER", "junk apply FOLDER",
}  # fmt: skip
OWN_WORDS = {
    "data sample --out": "exists and is not an empty folder; name another, or remove it first",
    "data synthesize OUT": "exists and is not an empty folder; name another, or remove it first",
    "train --out": "run holds a run already; `resight train --resume run` continues it, or choose another --out",
}
"""Folders that no --force writes over."""


def paths(command, name: str = "") -> set[str]:  # type: ignore[no-untyped-def]  # click objects, vendored by typer
    """Every option and argument that is a path: of what command, and how it is called."""
    if inner := getattr(command, "commands", None):
        return {found for called, sub in inner.items() for found in paths(sub, f"{name} {called}".strip())}
    hints = get_type_hints(inspect.unwrap(command.callback))
    taken = [part for part in command.params if Path in (hints[part.name], *get_args(hints[part.name]))]
    return {f"{name} {part.opts[0] if part.param_type_name == 'option' else part.name.upper()}" for part in taken}


def test_every_output_of_every_command_is_thought_about() -> None:
    assert paths(get_command(app)) == {*DATA, *VIEWS, *GOES_ON, *INPUTS}


@pytest.mark.parametrize("output", DATA)
def test_data_that_is_there_is_not_written_over(
    output: str, kinds: dict[str, Path], crowd_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.format(crowd=crowd_spec, **kinds) for word in DATA[output]]
    place = Path(words[-1])
    kept = place / "run.json" if words[-1].endswith("/") else place
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("by hand")
    status, out, err = resight(*words, capsys=capsys)
    assert (status, out) == (2, "")
    assert OWN_WORDS.get(output, "or --force to write over it") in err
    assert err.count("\n") == 1
    assert kept.read_text() == "by hand"
    if output not in OWN_WORDS:
        _, _, err = resight(*words, "--force", capsys=capsys)
        assert "--force" not in err
        assert err.startswith("error: no"), "it went on, to the input that is not there"


@pytest.mark.parametrize("output", VIEWS)
def test_a_view_is_made_anew_and_that_is_said(
    output: str, kinds: dict[str, Path], people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    image = read_dataset(people).query[0].path
    if output == "search --picture":
        assert resight("index", kinds["embedding"], people, "--out", "gallery", capsys=capsys)[0] == 0
    words = [word.format(**kinds, people=people, image=image, gallery="gallery") for word in VIEWS[output]]
    for expected in (False, True):
        status, out, err = resight(*words, capsys=capsys)
        assert status == 0, err
        assert ("(replaced)" in out) == expected


def test_a_picture_is_not_written_over_what_is_searched(
    kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    image = tmp_path / "query.png"
    Image.new("RGB", (16, 32)).save(image)
    before = image.read_bytes()
    gallery = tmp_path / "gallery"
    assert resight("index", kinds["embedding"], tmp_path, "--out", gallery, capsys=capsys)[0] == 0
    other = read_dataset(people).query[0].path
    for words in (
        ["search", gallery, image, "--picture"],
        ["search", gallery, other, "--picture"],
        ["data", "augment", "reid-vae", image, "--out"],
    ):
        status, _, err = resight(*words, image, capsys=capsys)
        assert status == 2
        assert err.endswith(f"{image}: an input of this command; choose another file\n")
    assert image.read_bytes() == before


def test_data_that_is_written_over_on_demand_says_so(crowd_spec: str, tmp_path: Path, capsys) -> None:
    words = ["data", "split", "--data", crowd_spec, "--out", tmp_path / "split.csv", "--ratio", "0.5", "--force"]
    assert "(replaced)" not in resight(*words, capsys=capsys)[1]
    assert f"manifest: {tmp_path / 'split.csv'} (replaced)\n" in resight(*words, capsys=capsys)[1]
