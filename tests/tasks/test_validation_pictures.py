"""What validation found lies in the run folder and in TensorBoard as pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resight.recipe import Recipe
from resight.records import AttributeSchema, ReidDataset
from resight.training import train
from resight.views.grids import FRAMES

HELD_OUT = ["epochs=1", "validation.ratio=0.5", "validation.every=1", "validation.pictures=true"]


def pictures(recipe: Recipe, dataset: ReidDataset, folder: Path) -> dict[str, Image.Image]:
    """Those in the run folder, once it is seen that the log has the same ones."""
    run = train(recipe, dataset, folder, quiet=True)
    found = {path.stem: Image.open(path) for path in sorted((run.folder / "validation").glob("*.png"))}
    logged = EventAccumulator(str(run.folder / "tensorboard")).Reload().Tags()["images"]
    assert sorted(logged) == [f"validation/{name}" for name in found]
    return found


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
    assert list(found) == ["confusion", "least-confident", "most-confident"]


@pytest.mark.parametrize("protocol", ["market1501", "course"])
def test_a_validation_without_a_match_draws_nothing_or_all(
    protocol: str, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    alone = replace(crowd, train=[replace(record, camera=1) for record in crowd.train])
    recipe = tiny(*HELD_OUT, "sampler.identities=3", f"retrieval.protocol={protocol}")
    run = train(recipe, alone, tmp_path / "run", quiet=True)
    assert (run.folder / "validation").exists() == (protocol == "course"), "the own camera is left out otherwise"
