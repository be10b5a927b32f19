"""The run folder: what was saved is opened, what is damaged is named, and a part's weights come from another run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from resight.errors import RecipeError, RunError
from resight.files import locked
from resight.recipe import Recipe
from resight.recognizer import load
from resight.records import NO_ATTRIBUTES, AttributeSchema
from resight.run import Run, build_model, histories, history
from tests.support.legacy import LEGACY

HATS = AttributeSchema({"hat": ("no", "yes"), "größe": ("klein", "groß")})
Tiny = Callable[..., Recipe]


def saved(folder: Path, recipe: Recipe, classes: int = 3, schema: AttributeSchema = NO_ATTRIBUTES) -> Run:
    """A run with the weights that its network begins with."""
    run = Run(folder, recipe, classes, schema, finished=True)
    run.save()
    run.save_weights(build_model(recipe, classes, schema, pretrained=False))
    return run


def equal(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_is_opened_as_it_was_saved(tiny: Tiny, tmp_path: Path) -> None:
    run = Run(
        tmp_path / "run", tiny("epochs=7"), 12, HATS, data=["folders:/data/crops", "masks:/data/masks"], digest="1f"
    )
    run.save()
    assert Run.open(tmp_path / "run") == run
    replace(run, finished=True).save()
    assert Run.open(str(tmp_path / "run")).finished


def test_a_run_knows_its_data_in_any_order(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, tiny(), 1, data=[f"folders:{tmp_path / 'a'}", f"folders:{tmp_path / 'b'}"])
    monkeypatch.chdir(tmp_path)
    assert run.trained_on(["folders:b", "folders:a"])
    assert not run.trained_on(["folders:a"])


def test_weights_come_back_and_are_plain_tensors(tiny: Tiny, tmp_path: Path) -> None:
    recipe = tiny()
    run, model = Run(tmp_path, recipe, 3), build_model(recipe, 3)
    run.save_weights(model)
    other = build_model(recipe, 3)
    assert not equal(model, other)
    run.load_weights(other)
    assert equal(model, other)
    assert safetensors.torch.load_file(run.weights).keys() == model.state_dict().keys()


def test_a_folder_that_is_no_run_says_which_file_is_missing(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run folder \(.*run\.json is missing\); `resight train` makes one"):
        Run.open(tmp_path)
    saved(tmp_path / "run", tiny())
    (tmp_path / "run" / "recipe.yaml").unlink()
    with pytest.raises(RecipeError, match="recipe.yaml"):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize("place", ["baseline", "vanilla/seed-0"])
def test_a_folder_that_holds_runs_names_one(place: str, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "runs" / place).mkdir(parents=True)
    saved(tmp_path / "runs" / place, tiny())
    with pytest.raises(RunError, match=f"it holds runs; give one, such as .*/runs/{place}$"):
        Run.open(tmp_path / "runs")


def test_a_file_of_a_run_asks_for_its_folder(tiny: Tiny, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", tiny())
    with pytest.raises(RunError, match=r"run/model\.safetensors is a file.*; give its folder: .*/run$"):
        Run.open(run.weights)
    (tmp_path / "best.yaml").touch()
    with pytest.raises(RunError, match=r"best\.yaml is a file, no run folder; `resight train` makes one$"):
        Run.open(tmp_path / "best.yaml")
    for name in ("model.bin", "model.xml"):
        (tmp_path / name).touch()
    with pytest.raises(
        RunError, match=r"model\.bin is a file, no run folder; it has the weights of .*model\.xml; give that$"
    ):
        Run.open(tmp_path / "model.bin")
    with pytest.raises(RunError, match="give its folder"):
        build_model(tiny(f"model.segmenter={run.weights}", recipe="reid-bruna-masked"), 3, HATS)


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: "{",
        lambda facts: "[]",
        lambda facts: json.dumps({name: value for name, value in facts.items() if name != "classes"}),
        lambda facts: json.dumps({**facts, "classes": "many"}),
        lambda facts: json.dumps({**facts, "attributes": ["hat"]}),
    ],
    ids=["cut off", "a list", "without classes", "classes are no number", "attributes without classes"],
)
def test_damaged_facts_are_named(damage: Callable[[dict[str, Any]], str], tiny: Tiny, tmp_path: Path) -> None:
    file = saved(tmp_path / "run", tiny()).folder / "run.json"
    file.write_text(damage(json.loads(file.read_text())))
    with pytest.raises(RunError, match=r"run\.json is damaged: "):
        Run.open(tmp_path / "run")


def test_weights_that_are_missing_damaged_or_anothers_are_named(tiny: Tiny, tmp_path: Path) -> None:
    run = saved(tmp_path / "run", tiny())
    run.save_weights(nn.Linear(2, 2))
    with pytest.raises(RunError, match=r"model\.safetensors does not fit its recipe or is damaged: "):
        load(run.folder)
    run.weights.write_bytes(run.weights.read_bytes()[:50])
    with pytest.raises(RunError, match=r"model\.safetensors does not fit its recipe or is damaged: "):
        load(run.folder)
    run.weights.unlink()
    with pytest.raises(
        RunError, match=r"is finished, but model\.safetensors is missing; put it back, or train anew with"
    ):
        load(run.folder)
    run.finished = False
    run.save()
    with (
        locked(run.folder, RunError),
        pytest.raises(RunError, match=rf"no weights yet; another process \(number {os.getpid()}\) trains it: wait"),
    ):
        load(run.folder)
    with pytest.raises(RunError, match=rf"has no weights yet; finish it with `resight train --resume {run.folder}`"):
        load(run.folder)


def test_a_run_that_names_a_bare_backbone_loads_without_fetching_its_weights(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, asked = timm.create_model, []

    def watched(name: str, pretrained: bool, **options: Any) -> nn.Module:
        asked.append((name, pretrained))
        return create(name, pretrained=pretrained, **options)

    monkeypatch.setattr(timm, "create_model", watched)
    run = saved(tmp_path / "run", tiny("model.backbone=resnet10t", "model.pretrained=true"))
    image = np.random.default_rng(0).integers(0, 255, (32, 16, 3), dtype=np.uint8)
    features = load(run.folder, "cpu").embed([image])
    # The same network by its name in full, which says whose weights it would begin with.
    replace(run, recipe=tiny("model.backbone=resnet10t.c3_in1k", "model.pretrained=true")).save()
    np.testing.assert_array_equal(load(run.folder, "cpu").embed([image]), features)
    assert asked == [("resnet10t", False), ("resnet10t", False), ("resnet10t.c3_in1k", False)]


def test_a_run_needs_the_file_that_it_started_from_no_more(tiny: Tiny, tmp_path: Path) -> None:
    donor = build_model(tiny(), 3)
    torch.save(donor.backbone.trunk.state_dict(), tmp_path / "trunk.pth")  # type: ignore[union-attr,operator]
    recipe = tiny(f"model.weights={tmp_path / 'trunk.pth'}")
    assert equal(build_model(recipe, 3).backbone, donor.backbone)  # type: ignore[arg-type]
    run = saved(tmp_path / "run", recipe)
    (tmp_path / "trunk.pth").unlink()
    load(run.folder, "cpu")


def test_a_part_takes_its_weights_from_another_run(tiny: Tiny, tmp_path: Path) -> None:
    donor = saved(tmp_path / "unet", tiny(recipe="segmentation-unet"))
    recipe = tiny(f"model.segmenter={donor.folder}", recipe="reid-bruna-masked")
    lender = load(donor.folder, "cpu").model
    assert equal(build_model(recipe, 3, HATS).segmenter, lender)  # type: ignore[arg-type]
    # A run's own weights hold the part's: the other run is not asked for again.
    gone = tiny("model.segmenter=gone", recipe="reid-bruna-masked")
    assert not equal(build_model(gone, 3, HATS, pretrained=False).segmenter, lender)  # type: ignore[arg-type]
    with pytest.raises(
        RunError, match="model.segmenter = gone: no such run; make one with `resight train segmentation"
    ):
        build_model(gone, 3, HATS)


def test_a_run_whose_part_does_not_fit_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    donor = saved(tmp_path / "unet", tiny("model.width=6", recipe="segmentation-unet"))
    lent = f"model.segmenter={donor.folder}"
    with pytest.raises(
        RecipeError, match="model.segmenter is missing: it names a run of segmentation-unet; make one with"
    ):
        build_model(tiny("model.segmenter=null", recipe="reid-bruna-masked"), 3, HATS)
    with pytest.raises(RunError, match="is another network than this recipe's; its model section is .*'width': 6"):
        build_model(tiny(lent, "model.unet.width=4", recipe="reid-bruna-masked"), 3, HATS)
    stranger = saved(tmp_path / "stranger", tiny())
    with pytest.raises(RunError, match="is a run of system embedding; make one with `resight train segmentation-unet"):
        build_model(tiny(f"model.segmenter={stranger.folder}", recipe="reid-bruna-masked"), 3, HATS)
    with pytest.raises(RunError, match="was trained on images of another size or normalisation"):
        build_model(tiny(lent, "image.height=64", recipe="reid-bruna-masked"), 3, HATS)


def test_history_has_the_points_of_each_curve(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,seconds,train/loss,val/mAP,val/rank-1\n1,0.5,2.5,,\n2,0.4,1.5,0.25,\n")
    assert history(file) == {"train/loss": [(1, 2.5), (2, 1.5)], "val/mAP": [(2, 0.25)]}
    file.write_text("epoch,seconds,train/loss\n")
    assert history(file) == history(tmp_path / "missing.csv") == {}


def test_histories_join_runs_and_seeds_by_column(tmp_path: Path) -> None:
    texts = {
        "a": "epoch,seconds,lr,train/loss,val/mAP\n1,0.5,0.1,3,\n2,0.5,0.1,2,0.5\n",
        "b": "epoch,seconds,lr,train/loss\n1,0.5,0.2,4\n",
        "c": "epoch,seconds,lr,train/fooled\n1,0.5,0.3,1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(text)
    found = histories({"two seeds": [tmp_path / "a", tmp_path / "b"], "one": [tmp_path / "c"], "none": []})
    assert found == {
        "val/mAP": {"two seeds": [[(2, 0.5)]]},
        "train/loss": {"two seeds": [[(1, 3), (2, 2)], [(1, 4)]]},
        "train/fooled": {"one": [[(1, 1)]]},
        "lr": {"two seeds": [[(1, 0.1), (2, 0.1)], [(1, 0.2)]], "one": [[(1, 0.3)]]},
    }
    assert list(found) == ["val/mAP", "train/loss", "train/fooled", "lr"]


def test_an_older_runs_facts_are_read() -> None:
    run = Run.open(LEGACY / "runs" / "bruna")
    assert run.schema.classes == {"gender": ("male", "female"), "hair": ("short", "long"), "junk": ("no", "yes")}
    assert (run.classes, run.data, run.finished) == (4, ["market1501:/data/street"], True)
    assert run.recipe.retrieval.metric == "attribute-weighted"
    assert [epoch for epoch, _ in history(run.metrics)["val/mAP"]] == [1, 2]
    assert not Run.open(LEGACY / "runs" / "vae-cut").finished
