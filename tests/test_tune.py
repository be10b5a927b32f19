"""The search: what is searched and what is fixed, killed and continued, and a best recipe that trains."""

from __future__ import annotations

import csv
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from resight.cli.app import app
from resight.data.formats.manifest import write_manifest
from resight.errors import DataError, MissingExtraError, RecipeError, ResightError, RunError
from resight.recipe import Recipe, load_recipe
from resight.records import ReidDataset
from resight.run import Run
from resight.tune import Choice, Interval, parse_space, read_space, tune
from tests.support.recipes import tiny_overrides

optuna = pytest.importorskip("optuna")

# Lists stand in a list: a bare one would be a choice.
TINY = (text.partition("=") for text in tiny_overrides())
FIXED = {key: f"[{value}]" if value.startswith("[") else value for key, _, value in TINY}
FIXED |= {"epochs": "2", "schedule.milestones": "[[1]]", "schedule.warmup_epochs": "0"}
FIXED |= {"validation.ratio": "0.4", "sampler.identities": "3"}
RATE = {"optimiser.lr": "1e-5:1e-3:log", "sampler.identities": "3", "model.pretrained": "false"}
SPACE = {"optimiser.lr": "1e-4:1e-2:log", "losses.triplet.margin": "[0.1, 0.3]"}


def test_intervals_choices_and_fixed_values() -> None:
    space, fixed = parse_space(
        {
            "optimiser.lr": "1e-5:1e-3:log",
            "sampler.identities": "4:16",
            "model.dropout": "0.0:0.5",
            "model.neck": ["none", "batchnorm"],
            "schedule.milestones": "[[5, 8], [6, 9]]",
            "augmentation.erasing.area": "[[0.02, 0.4]]",
            "model.pretrained": False,
            "image": "{height: 64, width: 32}",
        }
    )
    assert space == {
        "optimiser.lr": Interval(1e-5, 1e-3, log=True),
        "sampler.identities": Interval(4, 16),
        "model.dropout": Interval(0.0, 0.5),
        "model.neck": Choice(("none", "batchnorm")),
        "schedule.milestones": Choice(("[5, 8]", "[6, 9]")),
    }
    assert isinstance(space["sampler.identities"].low, int)
    assert fixed == [
        "augmentation.erasing.area=[0.02, 0.4]",
        "model.pretrained=false",
        "image={height: 64, width: 32}",
    ]


def test_a_file_of_the_space_means_what_the_command_line_means(tmp_path: Path) -> None:
    texts = {"optimiser.lr": "1e-5:1e-3:log", "sampler.identities": "4:16", "losses.centre.weight": "[5e-4, 5e-3]"}
    file = tmp_path / "space.yaml"
    file.write_text("".join(f"{key}: {text}\n" for key, text in texts.items()))
    assert parse_space(read_space(file)) == parse_space(texts)
    assert parse_space(texts)[0]["losses.centre.weight"] == Choice(("0.0005", "0.005"))


@pytest.mark.parametrize("text", ["3:1", "0:1:log", "a:b", "1:2:3", "[1,"])
def test_what_is_no_interval_and_no_list_is_named(text: str) -> None:
    with pytest.raises(RecipeError, match=f"optimiser.lr={text.replace('[', '.')}"):
        parse_space({"optimiser.lr": text})


def test_a_key_that_no_recipe_has_ends_before_anything_is_trained(crowd: ReidDataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'epochs'"):
        tune("reid-strong-baseline", crowd, tmp_path, {"epoch": "1:3"})
    with pytest.raises(RecipeError, match="nothing to search"):
        tune("reid-strong-baseline", crowd, tmp_path, {"epochs": "3"})
    (tmp_path / "s.yaml").write_text("- a\n")
    with pytest.raises(RecipeError, match="s.yaml: a search space is a mapping"):
        read_space(tmp_path / "s.yaml")
    assert not list(tmp_path.glob("trial-*"))


def test_without_optuna_the_pip_line(crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'resight\[tune\]'"):
        tune("reid-strong-baseline", crowd, tmp_path, SPACE)


@pytest.mark.slow
def test_killed_and_continued(crowd: ReidDataset, tmp_path: Path) -> None:
    write_manifest(tmp_path / "crowd.csv", crowd)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump({**FIXED, **SPACE}))
    out = tmp_path / "out"
    arguments = ["tune", "reid-strong-baseline", "--space", str(tmp_path / "space.yaml"), "--trials", "3"]
    arguments += ["--data", f"manifest:{tmp_path / 'crowd.csv'}", "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "resight", *arguments], env=os.environ, stderr=subprocess.DEVNULL)
    while not (out / "trial-0001" / "metrics.csv").exists():
        assert process.poll() is None, "ended before its second trial"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = (out / "trial-0000" / "metrics.csv").read_text()

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (out / "trial-0000" / "metrics.csv").read_text() == first
    with open(out / "trials.csv", newline="") as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 3
    assert trials[0]["state"] == "complete"
    # The open trial went on in its folder, as another trial of the study.
    assert "trial-0002" not in {place.name for place in out.glob("trial-*")}
    assert not list(out.glob("trial-*/last.ckpt"))

    best = load_recipe(out / "best.yaml")
    assert best.optimiser["lr"] == pytest.approx(float(trials[0]["optimiser.lr"]))
    assert best.losses["triplet"]["margin"] == float(trials[0]["losses.triplet.margin"])
    complete = [float(trial["figure"]) for trial in trials if trial["state"] == "complete"]
    assert complete == sorted(complete, reverse=True)
    with pytest.raises(RunError, match="another recipe, space or data"):
        tune("reid-strong-baseline", crowd, out, {**FIXED, "optimiser.lr": "1e-4:1e-2"})


@pytest.mark.slow
def test_a_search_in_two_parts_proposes_what_a_whole_one_does(crowd: ReidDataset, tmp_path: Path) -> None:
    def search(out: str, trials: int) -> list[dict[str, object]]:
        space = {**FIXED, **SPACE, "epochs": "1"}
        return tune("reid-strong-baseline", crowd, tmp_path / out, space, trials=trials, tell=lambda line: None).trials

    search("parts", 1)
    assert search("parts", 3) == search("whole", 3)


def test_a_trial_worse_than_the_median_is_cut(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter((0.5, 0.6, 0.4, 0.1, 0.9))

    def pretended(recipe: Recipe, dataset: ReidDataset, out: Path, *, on_validation, **ignored: object) -> Run:  # type: ignore[no-untyped-def]
        run = Run(out, recipe, classes=4)
        run.save()
        figure = next(figures)
        for epoch in (1, 2, 3):
            with open(run.metrics, "w") as file:
                file.write(
                    "epoch,train/loss,val/mAP\n" + "".join(f"{n},1,{figure + n / 100}\n" for n in range(1, epoch + 1))
                )
            on_validation(epoch, {"mAP": figure + epoch / 100})
        return run

    monkeypatch.setattr("resight.tune.train", pretended)
    told: list[str] = []
    tuned = tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=5, tell=told.append)
    # Three may run to their end; the fourth is below their median of 0.51 at once.
    assert [(row["state"], row["figure"], row["epochs"]) for row in tuned.trials] == [
        ("complete", pytest.approx(0.93), 3),
        ("complete", pytest.approx(0.63), 3),
        ("complete", pytest.approx(0.53), 3),
        ("complete", pytest.approx(0.43), 3),
        ("pruned", pytest.approx(0.11), 1),
    ]
    assert told[0].startswith("validation.ratio=0.2")
    assert told[1].startswith("validation.every=1")
    assert "best so far 0.93 (trial 4)" in told[-1]
    assert tuned.recipe is not None
    assert load_recipe(tuned.recipe).optimiser["lr"] == tuned.trials[0]["optimiser.lr"]


def test_trials_that_fail_are_told_and_others_tried(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*ignored: object, **named: object) -> Run:
        raise DataError("9 identities are not there")

    monkeypatch.setattr("resight.tune.train", failing)
    told: list[str] = []
    tuned = tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=2, tell=told.append)
    assert tuned.trials == []
    assert tuned.recipe is None
    failed = [line for line in told if line.endswith("failed: 9 identities are not there")]
    assert len({line.partition(":")[2] for line in failed}) == 4, "other values each time, and not for ever"


def test_a_trial_that_a_full_disk_has_cut_stays_open_and_is_taken_up(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []

    def without_room(recipe, dataset, folder, **options):  # type: ignore[no-untyped-def]
        places.append(folder)
        if len(places) == 1:
            raise RunError("cannot write") from OSError(errno.ENOSPC, "No space left on device")
        run = Run(folder, recipe, classes=4)
        run.metrics.parent.mkdir()
        run.metrics.write_text("epoch,train/loss,val/mAP\n1,0.5,0.5\n")
        run.save()
        return run

    monkeypatch.setattr("resight.tune.train", without_room)
    with pytest.raises(RunError, match="cannot write"):
        tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)
    tuned = tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)
    assert [trial["state"] for trial in tuned.trials] == ["complete"]
    assert places[0] == places[1], "the same trial, in its own folder"


def test_trials_that_diverge_are_failures_and_others_are_tried(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(recipe: Recipe, dataset: ReidDataset, out: Path, **ignored: object) -> Run:
        run = Run(out, recipe, classes=4)
        run.save()
        run.metrics.write_text("epoch,train/loss,val/mAP\n1,nan,nan\n")
        return run

    monkeypatch.setattr("resight.tune.train", diverging)
    told: list[str] = []
    tuned = tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=2, tell=told.append)
    assert tuned.recipe is None
    failed = [line for line in told if line.endswith("failed: mAP is nan, it diverged")]
    assert len({line.partition(":")[2] for line in failed}) == 4, "other values each time"


def test_a_second_search_in_one_folder_is_refused(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = rf"is in use by another process \(number {os.getpid()}\); wait until that has ended"

    def searching(*ignored: object, **named: object) -> Run:
        with pytest.raises(RunError, match=told):
            tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)
        (trial,) = optuna.load_study(study_name="resight", storage=f"sqlite:///{tmp_path / 'study.db'}").trials
        assert trial.state.name == "RUNNING", "the second one leaves it alone"
        raise KeyboardInterrupt

    monkeypatch.setattr("resight.tune.train", searching)
    with pytest.raises(KeyboardInterrupt):
        tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)


def test_a_database_in_use_is_not_called_damaged(
    crowd: ReidDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *places, **named: connect(*places, **{**named, "timeout": 0}))
    with closing(connect(tmp_path / "study.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            RunError, match=r"study\.db is in use by another process; wait until that has ended"
        ) as told:
            tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)
        assert "\n" not in str(told.value)
    (tmp_path / "study.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(RunError, match=r"study\.db is damaged or no search"):
        tune("reid-strong-baseline", crowd, tmp_path, RATE, trials=1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({**RATE, "optimiser.lrr": "1e-4:1e-2"}, r"optimiser \(adam\): unknown key 'lrr'"),
        ({"sampler.identities": "[6, 7]", "model.pretrained": "false"}, "P×K sampling wants 6 identities"),
        ({**RATE, "model.neck": "[none, batchnom]"}, r"neck = 'batchnom': input should be 'batchnorm' or 'none'"),
    ],
)
def test_a_key_that_no_trial_could_have_is_named_at_once(
    space: dict[str, str], message: str, crowd: ReidDataset, tmp_path: Path
) -> None:
    with pytest.raises(ResightError, match=message):
        tune("reid-strong-baseline", crowd, tmp_path / "out", space, trials=2)
    assert not (tmp_path / "out").exists()
