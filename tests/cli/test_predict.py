"""`resight predict` as a user types it, with every kind of run."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from resight.data.formats.course import read_course_classification
from resight.data.images import list_images
from resight.recognizer import load
from resight.records import as_records
from resight.synthetic import synthesize
from resight.tasks.attributes.prediction import predict
from tests.support.commands import options_of, resight

KINDS = ["embedding", "bruna", "vae", "autoencoder", "masks", "attributes"]
PREDICTS = {"masks", "attributes", "bruna"}


def test_multi_and_course_are_the_only_options() -> None:
    assert options_of("predict", {"run", "images", "out", "force"}) == {"multi", "course"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", ["", "--multi", "--course"])
def test_predict_takes_an_option_or_refuses_it(
    kind: str, option: str, kinds: dict[str, Path], people: str, tmp_path: Path, capsys
) -> None:
    out = tmp_path / ("masks" if kind == "masks" else "found.csv")
    words = [option] if option else []
    status, _, err = resight("predict", kinds[kind], people, "--out", out, *words, capsys=capsys)
    if kind in PREDICTS and not (option and kind == "masks"):
        assert status == 0, err
        assert out.exists()
        assert kind == "masks" or ("upmulticolor" in out.read_text()) == (option == "--multi")
    else:
        assert status == 2
        assert len(err.strip().splitlines()) == 1
        assert "recognises no attributes" in err or f"{option} is for an attribute run" in err
        assert not out.exists()


def test_multi_colours_are_a_csvs(kinds: dict[str, Path], people: str, tmp_path: Path, capsys) -> None:
    status, _, err = resight(
        "predict", kinds["attributes"], people, "--out", tmp_path / "p.json", "--multi", capsys=capsys
    )
    assert status == 2
    assert "multi-colour columns need a .csv" in err


@pytest.fixture
def handed_out(tmp_path: Path) -> Path:
    """The course's data, as its students get it."""
    folder = tmp_path / "course"
    synthesize(folder, layout="course", identities=8, images_per_camera=2, cameras=2, size=(32, 16), junk=2)
    return folder


@pytest.mark.parametrize("words", [["--out", "classification_test.csv"], ["--out", "mine.csv", "--course"]])
@pytest.mark.parametrize("multi", [False, True])
def test_the_courses_hand_in_keeps_its_rules(
    words: list[str], multi: bool, kinds: dict[str, Path], handed_out: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(handed_out)
    status, _, err = resight("predict", kinds["attributes"], "test", *words, *["--multi"] * multi, capsys=capsys)
    assert status == 0, err
    assert ("as with --course" in err) == ("--course" not in words), "the name alone says what is written"
    with open(words[1], newline="") as file:
        header, *rows = list(csv.reader(file))
    with open("annotations_train.csv", newline="") as file:
        theirs = next(csv.reader(file))
    added = {"upmulticolor", "downmulticolor"}
    assert [name for name in header if name not in added] == theirs
    assert added.issubset(header) == multi
    assert sorted(row[0] for row in rows) == sorted(os.listdir("test")), "every test image once, by its name"
    for row in rows:
        codes = dict(zip(header[1:], map(int, row[1:]), strict=True))
        assert codes.pop("age") in (1, 2, 3, 4)
        assert set(codes.values()) <= {1, 2}
        for side in ("up", "down"):
            colours = [name for name in codes if name.startswith(side) and name != side]
            worn = sum(codes[name] == 2 for name in colours)
            assert worn == 1 if multi else worn <= 1
    model = load(kinds["attributes"])
    said = {
        Path(record.path).name: classes
        for batch in predict(model, as_records(list_images("test")))
        for record, classes in zip(batch.records, batch.classes(model.schema), strict=True)
    }
    assert read_course_classification(words[1]) == said


def test_two_images_of_one_name_cannot_be_handed_in(
    kinds: dict[str, Path], handed_out: Path, tmp_path: Path, capsys
) -> None:
    (handed_out / "test" / "more").mkdir()
    shutil.copy(handed_out / "test" / "000000.jpg", handed_out / "test" / "more")
    words = ["predict", kinds["attributes"], handed_out / "test", "--out"]
    status, _, err = resight(*words, tmp_path / "classification_test.csv", capsys=capsys)
    assert status == 2
    assert "test/000000.jpg and" in err.splitlines()[-1]
    assert "have one name, and the course's files name no folders; rename one" in err.splitlines()[-1]
    assert not (tmp_path / "classification_test.csv").exists()
    assert resight(*words, tmp_path / "p.csv", capsys=capsys)[0] == 0
    assert "more/000000.jpg" in (tmp_path / "p.csv").read_text()
