"""A table from the command to its files: rows are trained once, a killed one goes on, the figures are of named images."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from resight.cli.app import app
from resight.data.formats import read_dataset
from resight.data.formats.manifest import write_manifest
from resight.errors import RecipeError, RunError
from resight.recipe import load_recipe
from resight.records import ReidDataset
from resight.reproduce import load_table, reproduce
from resight.run import Run
from resight.synthetic import synthesize
from resight.training import alone
from resight.views import charts
from tests.support.commands import resight
from tests.support.recipes import tiny_overrides

CNN = [*tiny_overrides("attributes-residual-cnn"), "epochs=1"]
# How long rows train is each test's own.
TINY = [text for text in tiny_overrides() if not text.startswith(("epochs", "schedule"))]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data") / "street"
    synthesize(folder, identities=40, test_identities=4, images_per_camera=2, cameras=3, size=(32, 16))
    return f"market1501:{folder}"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two rows of the strong baseline, the second one judged in two ways."""
    text = {
        "title": "Neck and no neck",
        "source": "nobody",
        "recipe": "reid-strong-baseline",
        "protocol": "course",
        "figures": ["mAP", "rank-1"],
        "rows": [
            {"name": "no neck", "set": ["model.neck=none"], "published": {"mAP": 50}},
            {"name": "neck", "set": ["model.neck=batchnorm"], "published": {"mAP": 60}},
            {"name": "neck, re-ranked", "set": ["model.neck=batchnorm"], "rerank": True},
        ],
    }
    (tmp_path / "neck.yaml").write_text(yaml.safe_dump(text))
    return tmp_path / "neck.yaml"


def _epochs(folder: Path) -> list[str]:
    """What shows that nothing was trained again: the rows of metrics.csv with their seconds."""
    return (folder / "metrics.csv").read_text().splitlines()


@pytest.mark.slow
def test_attributes_print_both_rows_beside_the_published(street: str, tmp_path: Path) -> None:
    arguments = ["reproduce", "attributes-skip", *CNN, "--data", street, "--out", str(tmp_path / "t")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for words in (
        "without residual connection",
        "with residual connection",
        "79.9 (+9.6)",
        "70.2",
        "query and gallery",
    ):
        assert words in result.output
    with open(tmp_path / "t" / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["published accuracy"] for row in rows] == ["70.24", "79.87"]
    assert all(0 < float(row["accuracy"]) < 100 for row in rows)
    with pytest.raises(RunError, match="holds a run of another recipe"):
        reproduce(load_table("attributes-skip"), [street], tmp_path / "t", overrides=[*CNN, "model.hidden=9"])


@pytest.mark.slow
def test_a_killed_table_goes_on(crowd_spec: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, panels = tmp_path / "out", []
    draw = charts.compared_curves
    monkeypatch.setattr(charts, "compared_curves", lambda curves: panels.append(curves) or draw(curves))
    arguments = [
        "reproduce",
        str(table),
        *TINY,
        "--epochs",
        "1",
        "--seeds",
        "0,1",
        "--data",
        crowd_spec,
        "--out",
        str(out),
    ]
    process = subprocess.Popen([sys.executable, "-m", "resight", *arguments], env=os.environ, stderr=subprocess.DEVNULL)
    first = out / "no-neck" / "seed-0"
    while not list(first.glob("figures-*.json")):
        assert process.poll() is None, "ended before its first row"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _epochs(first)

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "done before" in result.output
    assert _epochs(first) == before
    # Two rows are one recipe: trained once, judged twice.
    assert {place.parent.name for place in out.glob("*/seed-*")} == {"no-neck", "neck"}
    with open(out / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seeds"] for row in rows] == ["0 1", "0 1", "0 1"]
    assert all(row["mAP deviation"] for row in rows)
    assert all(row["parameters"].endswith(" M") and row["images/s at 64"] for row in rows)
    assert "± " in result.output
    assert "Protocol course: images of the query's own camera count as well" in result.output
    assert {*panels[-1]} >= {"train/loss", "train/identity", "train/triplet", "lr"}
    # A curve for each seed; rows that share a run are one.
    assert {name: len(curves) for name, curves in panels[-1]["train/triplet"].items()} == {"no neck": 2, "neck": 2}
    assert Image.open(out / "curves.png").width > 300
    assert json.loads((out / "settings.json").read_text())["epochs"] == 1

    everything = {place: _epochs(place) for place in out.glob("*/seed-*")}
    again = CliRunner().invoke(app, [*arguments, "--rows", "2"])
    assert "2 of 2 done before" in again.output
    assert {place: _epochs(place) for place in out.glob("*/seed-*")} == everything

    (out / "neck" / "seed-0" / "figures-neck.json").unlink()
    (out / "neck" / "seed-1" / "figures-neck.json").unlink()
    CliRunner().invoke(app, [*arguments, "--rows", "1"])
    assert [*panels[-1]["train/triplet"]] == ["no neck", "neck, re-ranked"], "a run is drawn by the row that was judged"


@pytest.mark.slow
def test_a_row_cut_in_the_middle_is_resumed(crowd_spec: str, table: Path, tmp_path: Path) -> None:
    from resight.training import train

    overrides = [*TINY, "epochs=3"]

    def cut(epoch: int, figures: dict[str, float]) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    held = [*overrides, "validation.ratio=0.4", "validation.every=1"]
    row = load_recipe("reid-strong-baseline", ["model.neck=none", *held, "seed=0"])
    folder = tmp_path / "out" / "no-neck" / "seed-0"
    with pytest.raises(KeyboardInterrupt):
        train(row, read_dataset(crowd_spec), folder, data=[crowd_spec], quiet=True, on_validation=cut)
    before = _epochs(folder)
    assert len(before) == 2
    told: list[str] = []
    reproduce(load_table(str(table)), [crowd_spec], tmp_path / "out", overrides=held, rows="1", tell=told.append)
    assert _epochs(folder)[:2] == before
    assert len(_epochs(folder)) == 4


def test_every_row_is_checked_before_the_first_trains(crowd_spec: str, table: Path, tmp_path: Path) -> None:
    text = yaml.safe_load(table.read_text())
    text["rows"][1]["set"] = ["losses.triplet.mining=drawn"]
    table.write_text(yaml.safe_dump(text))
    with pytest.raises(
        RecipeError, match=r"row neck: losses\.triplet\.mining: drawn takes .*; choose others with --rows"
    ):
        reproduce(load_table(str(table)), [crowd_spec], tmp_path / "out", overrides=TINY)
    assert not list(tmp_path.glob("out/*/*/run.json"))
    with pytest.raises(RecipeError, match=r"row no neck: model .*unknown key 'nek'.*weights$"):
        reproduce(load_table(str(table)), [crowd_spec], tmp_path / "out", overrides=[*TINY, "model.nek=1"])


def test_rows_of_other_settings_are_told_and_come_back(
    crowd_spec: str, crowd: ReidDataset, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is trained here: a run is saved with its recipe, and its figures are given.
    def saved(recipe, dataset, folder, **ignored):  # type: ignore[no-untyped-def]
        run = Run(folder, recipe, 6, finished=True)
        run.save()
        return run

    monkeypatch.setattr("resight.reproduce.runner.train", saved)
    monkeypatch.setattr("resight.reproduce.runner.retrieval_figures", lambda *ignored: {"mAP": 0.5})
    monkeypatch.setattr("resight.reproduce.runner.check", lambda *ignored: None)
    monkeypatch.setattr("resight.reproduce.runner._cost", lambda folder: {})
    told: list[str] = []

    def call(rows: str, epochs: int) -> str:
        told.clear()
        reproduce(
            load_table(str(table)),
            [crowd_spec],
            tmp_path / "out",
            overrides=TINY,
            rows=rows,
            epochs=epochs,
            tell=told.append,
        )
        return (tmp_path / "out" / "table.md").read_text()

    assert "other settings" not in call("1", 2)
    page = call("2", 1)
    words = "easured here with other settings, and so left out of this table: no neck; their runs stay"
    assert [line for line in told if words in line]
    assert words in page
    assert "other settings, and so left out of this table: neck" in call("1", 2)


def test_a_second_reproduction_in_one_folder_is_refused(crowd_spec: str, table: Path, tmp_path: Path) -> None:
    with alone(tmp_path / "out"), pytest.raises(RunError, match=r"out is in use by another process \(number \d+\)"):
        reproduce(load_table(str(table)), [crowd_spec], tmp_path / "out", overrides=TINY, rows="1")


@pytest.mark.slow
def test_the_commands_make_the_same_runs(
    crowd: ReidDataset, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No query and gallery: identities are held out, in a file that the commands name.
    everyone = replace(crowd, train=[*crowd.train, *crowd.query, *crowd.gallery], query=[], gallery=[])
    write_manifest(tmp_path / "all.csv", everyone)
    data, out = f"manifest:{tmp_path / 'all.csv'}", tmp_path / "out"
    told: list[str] = []
    compared = reproduce(
        load_table(str(table)), [data], out, overrides=TINY, epochs=2, identities=5, rows="1", tell=told.append
    )
    assert any("a fifth of its training identities" in line for line in [*told, *compared.conditions])
    made = read_dataset(f"manifest:{out / 'data.csv'}")
    assert len({record.identity for record in made.train}) == 5
    assert made.query
    assert not {record.identity for record in made.train} & {record.identity for record in made.query}
    commands = [
        shlex.split(line) for line in (out / "commands.txt").read_text().splitlines() if "resight train" in line
    ]
    run = Run.open(out / "no-neck" / "seed-0")
    recipe, changes = commands[0][2], [word for word in commands[0][3:] if "=" in word and not word.startswith("-")]
    assert load_recipe(recipe, changes) == run.recipe
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    app(commands[0][1:], standalone_mode=False)
    weights = [safetensors.torch.load_file(folder / "no-neck/seed-0/model.safetensors") for folder in (out, elsewhere)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert run.trained_on([f"manifest:{out / 'data.csv'}"])
    with pytest.raises(RunError, match="was made with other --data or --identities"):
        reproduce(load_table(str(table)), [data], out, overrides=TINY, epochs=2, rows="1")


@pytest.mark.slow
def test_every_row_of_the_autoencoder_has_a_command_that_gives_its_figure(
    crowd_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of one run: by clusters and by distance, on the images that it was fitted on and on others."""
    tiny = [text for text in tiny_overrides("reid-vae") if not text.startswith("epochs")]
    table, held = load_table("vae"), "validation.ratio=0.34"
    found = reproduce(table, [crowd_spec], tmp_path / "t", overrides=[*tiny, held], epochs=1, rows="1,2,3,4,5,6")
    monkeypatch.chdir(tmp_path / "t")
    blocks = (tmp_path / "t" / "commands.txt").read_text().split("\n\n")[1:]
    for number, row in enumerate(table.rows[:6]):
        assert row.name in blocks[number]
        (line,) = [line for line in blocks[number].splitlines() if line.startswith("resight evaluate")]
        status, out, err = resight(*shlex.split(line)[1:], "--json", capsys=capsys)
        assert status == 0, err
        printed = json.loads(out)["by clusters" if row.clusters else "model"]["mAP"]
        ours = found.ours(number, "mAP")
        assert ours is not None
        assert 100 * printed == pytest.approx(ours.mean, abs=1e-4), row.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resight.reproduce.runner.train", None)
        again = reproduce(table, [crowd_spec], tmp_path / "t", overrides=[*tiny, held], epochs=1, rows="1,2,3,4,5,6")
    assert again.cells() == found.cells(), "nothing is done twice"


def _evaluated_again(out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict]]:
    """Row -> what each of its commands of evaluation prints as JSON, run word by word where the runs lie; of rows that ran."""
    found: dict[str, list[dict]] = {}
    name = ""
    for line in (out / "commands.txt").read_text().splitlines():
        if line.startswith("# ") and not line.startswith("# the same run"):
            name = line.removeprefix("# ")
        program, *words = shlex.split(line, comments=True) or [""]
        if words[:1] == ["evaluate"] and (out / words[1]).exists():
            assert program == "resight"
            status, printed, err = resight(*words, "--json", capsys=capsys)
            assert status == 0, err
            found.setdefault(name, []).append(json.loads(printed))
    return found


@pytest.mark.slow
def test_a_table_on_validation_people_is_what_its_commands_print(
    crowd: ReidDataset, table: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second hold-out: every run trains on four fifths of all people, and the figures are of the fifth."""
    text = yaml.safe_load(table.read_text()) | {"depth": 3}
    text["rows"] = [
        {"name": "neck", "published": {"mAP": 50}},
        {"name": "neck, on its training images", "of": "train"},
    ]
    table.write_text(yaml.safe_dump(text))
    write_manifest(tmp_path / "crowd.csv", replace(crowd, query=[], gallery=[]))
    spec, out = f"manifest:{tmp_path / 'crowd.csv'}", tmp_path / "out"
    words = ["reproduce", table, *TINY, "epochs=1", "sampler.identities=2", "--data", spec, "--out", out]
    words = [word for word in words if word != "validation.ratio=0"]
    status, printed, err = resight(*words, "--on", "validation", capsys=capsys)
    assert status == 0, err
    assert "nobody is held out besides" in printed
    assert json.loads((out / "settings.json").read_text())["on"] == "validation"
    assert not (out / "data.csv").exists()
    run = Run.open(out / "neck" / "seed-0")
    assert (run.recipe.validation.ratio, run.classes) == (0.2, 5)
    with open(out / "table.csv", newline="") as file:
        rows = {row["row"]: float(row["mAP"]) for row in csv.DictReader(file)}
    monkeypatch.chdir(out)
    again = _evaluated_again(out, capsys)
    for name, figure in rows.items():
        (found,) = again[name]
        assert 100 * found["model"]["mAP"] == pytest.approx(figure, abs=1e-3), name
        assert (found["model"]["protocol"], found["model"]["depth"]) == ("course", 3)
    status, _, err = resight(*words, capsys=capsys)
    assert status != 0
    assert "was made with --on validation, which trains on others; choose another --out" in err


@pytest.mark.slow
def test_attributes_are_judged_by_validation_people_where_asked(
    street: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    few = [word for word in CNN if word != "validation.ratio=0"]
    words = ["reproduce", "attributes-skip", *few, "--rows", "2", "--data", street, "--out", out]
    figures: dict[str, float] = {}
    for on in ("validation", "test"):
        status, _, err = resight(*words, "--on", on, capsys=capsys)
        assert status == 0, err
        assert ("done before" in err) is False, "a row of the other people is not taken for this one"
        with open(out / "table.csv", newline="") as file:
            figures[on] = float(list(csv.DictReader(file))[1]["accuracy"])
        with monkeypatch.context() as patch:
            patch.chdir(out)
            found = _evaluated_again(out, capsys)["with residual connection"][0]
        assert next(iter(found)) == on, "it stands first"
        assert 100 * found[on]["accuracy"] == pytest.approx(figures[on], abs=1e-3)
    assert figures["validation"] != figures["test"]
