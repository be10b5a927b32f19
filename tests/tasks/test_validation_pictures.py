"""What validation found lies in the run folder and in TensorBoard as pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resight.recipe import Recipe
from resight.records import AttributeSchema, ReidDataset
from resight.tasks.attributes import system as pictured
from resight.tasks.attributes.pictures import confidence_grids, confusion_chart
from resight.training import train
from resight.views.grids import FRAMES

HELD_OUT = ["epochs=1", "validation.ratio=0.5", "validation.every=1", "validation.pictures=true"]


def pictures(recipe: Recipe, dataset: ReidDataset, folder: Path) -> dict[str, Image.Image]:
    """Those of validation, and of training with their folder, in the run folder: the log has the same ones."""
    run = train(recipe, dataset, folder, quiet=True)
    paths = [path.relative_to(run.folder).with_suffix("") for path in sorted(run.folder.glob("*/*.png"))]
    logged = EventAccumulator(str(run.folder / "tensorboard")).Reload().Tags()["images"]
    assert sorted(logged) == [str(path) for path in paths]
    return {str(path).removeprefix("validation/"): Image.open(run.folder / f"{path}.png") for path in paths}


def test_ranked_lists_and_the_feature_space(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    found = pictures(tiny(*HELD_OUT, "sampler.identities=3"), crowd, tmp_path / "run")
    assert list(found) == ["feature-space", "hardest", "ranked-lists"]
    # Three people are held out, with other people beside them in the gallery: some answers are right, some wrong.
    colours = {colour for _, colour in found["ranked-lists"].convert("RGB").getcolors(1 << 24)}
    assert {FRAMES["right"], FRAMES["wrong"]} <= colours


def test_none_where_they_are_not_wanted(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(tiny(*HELD_OUT, "sampler.identities=3", "validation.pictures=false"), crowd, tmp_path / "run")
    assert not (run.folder / "validation").exists()


def test_confusion_and_confidence_of_attributes(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    dressed = [replace(record, attributes={"hat": "yes" if record.identity % 2 else "no"}) for record in crowd.train]
    dataset = replace(crowd, train=dressed, schema=AttributeSchema.from_records(dressed))
    found = pictures(tiny(*HELD_OUT, recipe="attributes-residual-cnn"), dataset, tmp_path / "run")
    names = ["confusion", "least-confident", "most-confident"]
    assert list(found) == [*(f"training/{name}" for name in names), *names]


def test_a_trainings_confusion_is_of_every_image_of_the_epoch(
    crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch
) -> None:
    """Parts shown as junk count in the matrices and are not among the confident images."""
    dressed = [replace(record, attributes={"hat": "yes" if record.identity % 2 else "no"}) for record in crowd.train]
    dataset = replace(crowd, train=dressed, schema=AttributeSchema.from_records(dressed))
    drawn, tiles = [], []
    monkeypatch.setattr(pictured, "confusion_chart", lambda found: drawn.append(found) or confusion_chart(found))
    monkeypatch.setattr(
        pictured,
        "confidence_grids",
        lambda records, found: tiles.append((records, found)) or confidence_grids(records, found),
    )
    overrides = ["epochs=2", "sampler.batch_size=8", "sampler.junk=0.4", "rates={}", "validation.every=2"]
    run = train(tiny(*HELD_OUT, *overrides, recipe="attributes-resnet18"), dataset, tmp_path / "run", quiet=True)
    trained, held = drawn
    parts = int(trained["junk"].confusion[1].sum())
    assert trained["junk"].images == 24, "of the second epoch alone, which is the one validated"
    assert 0 < parts < 24
    assert trained["hat"].images == 24 - parts
    assert held["junk"].confusion.sum(1).tolist() == [24, 1]
    (shown, seen), (beside, _) = tiles
    assert len(shown) == len(seen.sure) == 24 - parts
    assert len(beside) == 24
    fitted = {record.path for record in dataset.train} - {record.path for record in beside}
    assert {record.path for record in shown} <= fitted
    assert run.finished


@pytest.mark.parametrize("protocol", ["market1501", "course"])
def test_a_validation_without_a_match_draws_nothing_or_all(
    protocol: str, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    alone = replace(crowd, train=[replace(record, camera=1) for record in crowd.train])
    recipe = tiny(*HELD_OUT, "sampler.identities=3", f"retrieval.protocol={protocol}")
    run = train(recipe, alone, tmp_path / "run", quiet=True)
    assert (run.folder / "validation").exists() == (protocol == "course"), "the own camera is left out otherwise"
