"""The figure that picks the weights is the figure that evaluation prints for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resight.records import ReidDataset
from resight.run import history
from resight.training import train
from tests.support.commands import resight

KINDS = {
    "reid-strong-baseline": ["sampler.identities=3", "retrieval.depth=3"],
    "reid-two-branch": ["sampler.batch_size=4"],
    # Without a preference by camera from the third epoch on, which has the lowest loss.
    "reid-camera-mining": [
        "sampler.identities=3",
        "validation.monitor=loss",
        "losses.triplet={margin: 3, mining: {name: camera-batch-hard, k: 50, epochs: 2}}",
    ],
    "reid-bruna": ["sampler.items=1"],
    # One term grows with the epochs, another draws from the prior.
    "reid-vae": [
        "sampler.batch_size=8",
        "validation.every=3",
        "losses={reconstruction: {}, kl: {weight: 50, warmup_epochs: 9}, mmd: {weight: 500}}",
    ],
    "segmentation-unet": ["sampler.batch_size=8"],
    "junk-autoencoder": ["sampler.batch_size=8"],
    "attributes-residual-cnn": ["sampler.batch_size=8"],
    # Enough for a junk part; the weights grow after every epoch, in between and after the best.
    "attributes-resnet18": ["sampler.batch_size=8", "rates={}", "validation.ratio=0.5", "epochs=5"],
}
"""A recipe of every system and task -> what makes it fit the data. Some have losses whose state changes with training."""
IN_BOTH = {"mAP", "rank-1", "IoU", "Dice", "accuracy"}
"""Figures that evaluation works out for itself as well."""


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_validation_and_evaluation_agree(
    name: str, described: tuple[ReidDataset, str], tiny, tmp_path: Path, capsys
) -> None:
    dataset, spec = described
    recipe = tiny("validation.ratio=0.34", "validation.every=1", "loggers=[]", *KINDS[name], recipe=name)
    run = train(recipe, dataset, tmp_path / "run", data=[spec], quiet=True)
    curves, monitor = history(run.metrics), recipe.validation.monitor
    curve = [value for _, value in curves[f"val/{monitor}"]]
    words = ["--data", spec, "--on", "validation", "--json"]
    status, out, err = resight("evaluate", run.folder, *words, capsys=capsys)
    assert status == 0, err
    printed = json.loads(out)
    logged, first = printed["as in training"], next(iter(printed.values()))
    picked = min(curve) if monitor == "loss" else max(curve)
    assert logged[monitor] == pytest.approx(picked, rel=1e-4, abs=1e-5)
    epoch = curves[f"val/{monitor}"][curve.index(picked)][0]
    then = {
        name.removeprefix("val/"): dict(points)[epoch] for name, points in curves.items() if name.startswith("val/")
    }
    assert logged == pytest.approx(then, rel=1e-4, abs=1e-5)
    assert "loss" in then or name == "segmentation-unet"
    both = IN_BOTH & logged.keys()
    assert both or name == "junk-autoencoder"
    status, out, _ = resight("evaluate", run.folder, "--data", spec, "--on", "validation", capsys=capsys)
    assert "as in training" in out
    for figure in both:
        best = curves[f"val/{figure}"][curve.index(picked)][1]
        assert first[figure] == pytest.approx(best, abs=1e-5), figure
