"""Where a command will write is tried first: nothing is worked out that cannot be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.cli.destinations import require_file, require_folder
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
        "OUT" if "synthesize" in words else next(word for word in words if word in ("--out", "--picture", "--report"))
    )
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {option} {words[words.index(option) + 1] if option != 'OUT' else NOWHERE}: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
