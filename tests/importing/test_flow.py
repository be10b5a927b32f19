"""From a file to a run: its origin is kept, every key is written down, and a failure leaves nothing behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch

from resight.errors import OptionError, RecipeError, RunError, WeightsError
from resight.importing.flow import import_weights
from resight.importing.sources import sha256
from resight.models.osnet import OSNet
from resight.recognizer import load
from resight.run import Run
from tests.support.runs import assert_equal_weights

SMALL = ["image.height=64", "image.width=32"]


@pytest.fixture
def osnet(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(OSNet(7, 0.25).state_dict(), tmp_path / "osnet.pth")
    return tmp_path / "osnet.pth"


def test_a_run_keeps_where_it_came_from(osnet: Path, tmp_path: Path) -> None:
    import_weights(osnet, tmp_path / "run", "osnet_x0_25", SMALL, licence="research only")
    run = Run.open(tmp_path / "run")
    assert run.finished
    assert run.origin is not None
    assert run.origin.source == str(osnet)
    assert run.origin.sha256 == sha256(osnet)
    assert (run.origin.architecture, run.origin.licence) == ("osnet_x0_25", "research only")
    run.save()
    assert Run.open(tmp_path / "run").origin == run.origin


def test_every_key_is_written_down(osnet: Path, tmp_path: Path) -> None:
    import_weights(osnet, tmp_path / "run", "osnet_x0_25", SMALL)
    with open(tmp_path / "run" / "keys.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows if row["file"]} == set(torch.load(osnet))
    assert {row["model"] for row in rows if row["model"]} == set(load(tmp_path / "run").model.state_dict())
    assert {row["outcome"].partition(":")[0] for row in rows} == {"loaded", "dropped", "missing"}


def test_what_may_be_missing_makes_no_difference_to_an_embedding(osnet: Path, tmp_path: Path) -> None:
    missing = import_weights(osnet, tmp_path / "run", "osnet_x0_25", SMALL).report.missing
    model = load(tmp_path / "run", "cpu").model
    for values in model.parameters():
        values.requires_grad_(True)
    model.embed(torch.rand(2, 3, 64, 32)).sum().backward()
    unused = [name for name, values in model.named_parameters() if values.grad is None]
    assert unused == missing == ["classifier.weight", "classifier.bias"]


def half(state: dict) -> dict:
    return dict(list(state.items())[: len(state) // 2])


@pytest.mark.parametrize(
    ("change", "name", "told"),
    [
        (half, "osnet_x0_25", r"as osnet_x0_25 does not fit, and nothing was loaded: \d+ missing"),
        (dict, "osnet_x0_5", "of another shape"),
        (dict, "osnet_ain_x0_25", "unknown to it"),
        (dict, "fastreid:bot_R18", "unknown to it"),
        (
            lambda state: {**state, "attention.weight": torch.zeros(1)},
            "osnet_x0_25",
            r"1 unknown to it \(attention\.weight\)",
        ),
    ],
    ids=["half of the keys", "another width", "another variant", "another architecture", "a layer too many"],
)
def test_what_does_not_fit_leaves_nothing_behind(change, name: str, told: str, osnet: Path, tmp_path: Path) -> None:
    torch.save(change(torch.load(osnet)), osnet)
    with pytest.raises(WeightsError, match=told) as caught:
        import_weights(osnet, tmp_path / "run", name, SMALL)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [osnet]


def test_a_full_disk_leaves_nothing_behind(osnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Run) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "save", full)
    with pytest.raises(OSError, match="No space left"):
        import_weights(osnet, tmp_path / "run", "osnet_x0_25", SMALL)
    assert list(tmp_path.iterdir()) == [osnet]


def test_a_folder_in_use_stays_as_it_is(osnet: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="run exists already; choose another --out"):
        import_weights(osnet, tmp_path / "run", "osnet_x0_25", SMALL)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_file_may_say_what_it_is(osnet: Path, tmp_path: Path) -> None:
    """BoxMOT's files do."""
    held = {
        "state_dict": torch.load(osnet),
        "model_name": "osnet_x0_25",
        "num_classes": 7,
        "img_size": (64, 32),
        "preprocess": "resize_pad",
    }
    torch.save(held, tmp_path / "boxmot.pt")
    made = import_weights(tmp_path / "boxmot.pt", tmp_path / "run")
    image = made.run.recipe.image
    assert (image.height, image.width, image.resize) == (64, 32, "letterbox")
    assert made.notes == ("as the file says: image.height=64 image.width=32 image.resize=letterbox",)
    with pytest.raises(OptionError, match=r"osnet\.pth does not say which network it is for; give it with --as"):
        import_weights(osnet, tmp_path / "other")


def test_keys_of_the_recipe_are_changed_or_named(osnet: Path, tmp_path: Path) -> None:
    made = import_weights(osnet, tmp_path / "run", "osnet_x0_25", [*SMALL, "retrieval.metric=cosine"])
    assert made.run.recipe.retrieval.metric == "cosine"
    with pytest.raises(RecipeError, match=r"--as osnet_x0_25: unknown key 'image.hight' \(did you mean 'height'"):
        import_weights(osnet, tmp_path / "other", "osnet_x0_25", ["image.hight=64"])


def test_our_own_run_comes_in_as_it_is(trained: Run, tmp_path: Path) -> None:
    made = import_weights(trained.folder, tmp_path / "run", licence="mine")
    assert_equal_weights(trained.folder, tmp_path / "run")
    assert not made.report.renamed
    assert not made.report.dropped
    assert not made.report.missing
    image = np.random.default_rng(0).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        load(tmp_path / "run", "cpu").embed([image]), load(trained.folder, "cpu").embed([image])
    )
    import_weights(tmp_path / "run", tmp_path / "again")
    assert Run.open(tmp_path / "again").origin.licence == "mine", "a licence goes on with its weights"
    with pytest.raises(OptionError, match="is a run, which says what it is; leave out --as"):
        import_weights(trained.folder, tmp_path / "third", "osnet_x0_25")


def test_a_timm_model_of_the_hub_says_everything_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors.torch
    import timm

    stated = {"input_size": [3, 64, 32], "mean": [0.5, 0.5, 0.5], "license": "cc-by-nc-4.0"}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet10t", "pretrained_cfg": stated}))
    model = timm.create_model("resnet10t", num_classes=3)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda name: ["config.json", "model.safetensors"])
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file: str(tmp_path / file))
    made = import_weights("hf-hub:someone/animals", tmp_path / "run")
    assert (made.run.recipe.image.height, made.run.recipe.image.mean) == (64, (0.5, 0.5, 0.5))
    assert made.run.origin.licence == "cc-by-nc-4.0"
    assert made.run.origin.source == "hf-hub:someone/animals"
