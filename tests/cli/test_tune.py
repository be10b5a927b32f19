"""`resight tune` as a user types it; the search itself is in the place of one that trains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resight.records import ReidDataset
from resight.tune import Tuned
from tests.support.commands import resight

TRIALS = [
    {"trial": number, "state": "complete", "figure": 1 / (number + 1), "epochs": 3, "optimiser.lr": 10.0**-number}
    for number in range(1, 13)
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked the search for; its answer stands under `answer`."""
    told: dict[str, Any] = {"answer": Tuned(TRIALS, Path("a search/best.yaml"), "mAP", [])}

    def searched(recipe: str, dataset: ReidDataset, out: Path, space: dict[str, Any], **named: Any) -> Tuned:
        told.update(recipe=recipe, identities=len(dataset.train), out=out, space=space, **named)
        named["tell"]("trial 1 …")
        return told["answer"]

    monkeypatch.setattr("resight.tune.tune", searched)
    return told


def test_the_file_and_the_command_line_are_one_space(asked: dict, crowd_spec: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "space.yaml").write_text("optimiser.lr: 1e-5:1e-3:log\nepochs: 9\n")
    words = ["losses.triplet.margin=[0.1, 0.3]", "epochs=20", "--space", tmp_path / "space.yaml"]
    words += ["--data", crowd_spec, "--out", tmp_path / "out", "--trials", "7", "--seed", "4", "--no-prune"]
    status, _, err = resight("tune", "reid-strong-baseline", *words, capsys=capsys)
    assert status == 0, err
    assert asked["space"] == {
        "optimiser.lr": "1e-5:1e-3:log",
        "epochs": "20",  # what is typed counts before what is written
        "losses.triplet.margin": "[0.1, 0.3]",
    }
    named = {key: asked[key] for key in ("recipe", "identities", "out", "data", "trials", "seed", "prune")}
    assert named == {
        "recipe": "reid-strong-baseline", "identities": 48, "out": tmp_path / "out", "data": [crowd_spec], "trials": 7,
        "seed": 4, "prune": False,
    }  # fmt: skip
    assert err == "trial 1 …\n"


def test_the_ten_best_trials_are_shown_and_the_best_can_be_trained(
    asked: dict, crowd_spec: str, tmp_path: Path, capsys
) -> None:
    words = ["optimiser.lr=1e-5:1e-3:log", "--data", crowd_spec, "--out", tmp_path]
    _, out, _ = resight("tune", "reid-strong-baseline", *words, capsys=capsys)
    for words in ("mAP on held-out identities", "optimiser.lr", "0.5", "0.09091", "1e-10"):
        assert words in out, words
    assert "1e-11" not in out, "the eleventh"
    assert "next: resight train 'a search/best.yaml'" in out


def test_a_search_in_which_nothing_completed_has_failed(asked: dict, crowd_spec: str, tmp_path: Path, capsys) -> None:
    asked["answer"] = Tuned([], None, "mAP", [])
    words = ["optimiser.lr=1e-5:1e-3:log", "--data", crowd_spec, "--out", tmp_path]
    status, out, err = resight("tune", "reid-strong-baseline", *words, capsys=capsys)
    assert status == 1
    assert "next:" not in out
    assert "no trial has completed" in err


def test_a_key_without_values_is_named(asked: dict, crowd_spec: str, tmp_path: Path, capsys) -> None:
    for text in ("optimiser.lr", "=3"):
        words = [text, "--data", crowd_spec, "--out", tmp_path]
        status, _, err = resight("tune", "reid-strong-baseline", *words, capsys=capsys)
        assert status == 2
        assert f"error: '{text}': write key=low:high, key=[a, b] or key=value" in err
    assert "space" not in asked
