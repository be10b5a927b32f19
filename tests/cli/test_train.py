"""`resight train` as a user types it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch
import yaml

from resight.recipe import Recipe, built_in_recipes, load_recipe
from resight.run import Run
from tests.support.commands import command, resight
from tests.support.recipes import tiny_overrides
from tests.support.runs import metrics, untrained_run, weights
from tests.support.terminal import in_terminal


def test_recipes_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("train", "--recipes", capsys=capsys)
    assert status == 0
    named = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert list(named) == list(built_in_recipes())
    assert all(sentence.endswith(".") for sentence in named.values()), "a whole sentence each, on one line"
    assert len({line.index(named[line.split()[0]]) for line in out.splitlines()}) == 1, "in one column"
    assert named["reid-bruna-masked"] == (
        "Bruna on people cut out of their background: what a U-Net takes for background is painted in "
        'the mean colour ("Bruna Is All You Need!", University of Trento, section 3.2.4).'
    )


def test_a_recipe_is_shown_as_it_would_be_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = resight("train", "reid-vae", "epochs=7", "model.dim=9", "--show", capsys=capsys)
    assert status == 0
    assert Recipe.parse(yaml.safe_load(out)) == load_recipe("reid-vae", ["epochs=7", "model.dim=9"])


def test_a_run_is_made_and_the_command_that_judges_it_told(
    crowd_spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my run"
    words = [*tiny_overrides(), "epochs=1", "--data", crowd_spec, "--out", out, "--quiet"]
    status, told, err = resight("train", "reid-strong-baseline", *words, capsys=capsys)
    assert (status, err) == (0, "")
    assert Run.open(out).finished
    first, following = told.splitlines()
    assert first == f"run: {out}"
    assert shlex.split(following.removeprefix("next: ")) == ["resight", "evaluate", str(out), "--data", crowd_spec]

    # Cut after its first epoch of two, it knows its data and goes on.
    run = Run.open(out)
    run.finished, run.recipe.epochs = False, 2
    run.save()
    status, told, _ = resight("train", "--resume", out, "--quiet", capsys=capsys)
    assert status == 0
    assert told.splitlines() == [first, following]
    assert [row["epoch"] for row in metrics(out)] == ["1", "2"]


def test_a_finished_run_says_that_it_is_finished(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = resight("train", "--resume", trained.folder, capsys=capsys)
    assert (status, out) == (0, "")
    assert "is finished, nothing is left to train; to train longer, anew: resight train" in err
    assert err.count("\n") == 1


def test_a_run_that_does_not_know_its_data_asks_for_them(tiny, tmp_path: Path, capsys) -> None:
    run = untrained_run(tmp_path / "run", tiny())
    run.finished = False
    run.save()
    status, _, err = resight("train", "--resume", run.folder, capsys=capsys)
    assert status == 2
    assert f"{run.folder} does not remember its data; give it with --data" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give a recipe (see `resight train --recipes`) or --resume DIR"),
        (["reid-vae"], "give --data FORMAT:PATH, such as"),
        (["reid-vae", "--data", "market1501:/data"], "give --out DIR, the run folder to make"),
        (["reid-vae", "--resume", "runs/a"], "a resumed run keeps its recipe; give --resume alone"),
        (["--resume", "runs/a"], "runs/a is no run folder"),
        (["--resume", "runs/a", "--from", "runs/b"], "a resumed run has begun; leave out --from"),
        (["--resume", "runs/a", "--out", "b"], "a resumed run stays in its folder; leave out --out"),
        (["reid-vea", "--show"], "did you mean 'reid-vae'"),
        (["reid-vae", "model.dims=3", "--data", "market1501:/nowhere", "--out", "y"], "/nowhere"),
    ],
)
def test_what_is_missing_is_asked_for_in_one_line(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = resight("train", *words, capsys=capsys)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_should_be_is_one_line(crowd_spec: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "taken"
    out.write_text("a file")
    words = [*tiny_overrides(), "--data", crowd_spec, "--out", out]
    status, _, err = resight("train", "reid-strong-baseline", *words, capsys=capsys)
    assert status == 2
    assert err.splitlines()[-1] == f"error: --out {out}: a file; name a folder"


def test_a_terminal_shows_one_bar_whatever_the_number_of_epochs(crowd_spec: str, tmp_path: Path) -> None:
    words = [*tiny_overrides(), "epochs=3", "validation.ratio=0.4", "validation.every=1", "validation.pictures=false"]
    out = tmp_path / "run"
    status, lines = in_terminal(
        command("train", "reid-strong-baseline", *words, "--data", crowd_spec, "--out", out), columns=400
    )
    assert status == 0
    note, bar, *told = filter(None, lines)
    assert note.startswith("val/loss is ")
    assert bar.startswith("epoch 3/3 ")
    assert "val/mAP" in bar
    assert [line.split(":")[0] for line in told] == ["run", "next"]


@pytest.mark.slow
def test_a_run_is_tuned_to_other_people(trained: Run, crowd_spec: str, tmp_path: Path, capsys) -> None:
    words = [*tiny_overrides(), "epochs=1", "freeze={trunk: always}", "--data", crowd_spec, "--out", tmp_path / "run"]
    status, _, err = resight("train", "reid-strong-baseline", *words, "--from", trained.folder, capsys=capsys)
    assert status == 0, err
    assert f"from {trained.folder}: " in err
    before, after = weights(trained.folder), weights(tmp_path / "run")
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved
    assert not {name for name in moved if name.startswith("backbone.trunk")}
