"""The tables that ship: well formed, of recipes and keys that exist, and the figures that the sources print."""

from __future__ import annotations

import pytest

from resight.data.augmentations import AUGMENTATIONS
from resight.data.samplers import SAMPLERS
from resight.engine.optimisers import OPTIMISERS
from resight.engine.schedules import SCHEDULES
from resight.losses import ATTRIBUTE_LOSSES, BRUNA_LOSSES, LOSSES, RECONSTRUCTION_LOSSES
from resight.models import MODELS
from resight.recipe import Recipe, arguments
from resight.reproduce import load_table, tables
from resight.reproduce.planning import plan

PUBLISHED = {
    ("attributes-skip", 2): {"accuracy": 79.87},
    ("attributes-targets", "hat"): {"accuracy": 96.3, "precision": 98.1, "recall": 50.3},
    ("strong-baseline-ladder", 1): {"rank-1": 87.7, "mAP": 74.0},
    ("strong-baseline-ladder", 8): {"rank-1": 95.4, "mAP": 94.2},
    ("vae", "on its training images"): {"mAP": 60},
    ("vae", 2): {},
    ("bruna", "mask as a fourth channel"): {"mAP": 59},
    ("bruna", "Bruna"): {},
    ("two-branch-id-loss", 1): {"mAP": 64, "train loss": 0.01670, "validation loss": 0.01563},
    ("two-branch-id-loss", 2): {"mAP": 81, "train loss": 0.01931, "validation loss": 0.17935},
    ("two-branch-margins", "margin 10"): {"mAP": 81},
    ("two-branch-margins", "margin 5"): {},
    ("vehicle-steps", 1): {"rank-1": 79.1, "mAP": 49.5},
    ("vehicle-steps", 8): {"rank-1": 92.4, "mAP": 66.7},
    ("vehicle-architectures", "SE-ResNeXt-50"): {"rank-1": 93.6, "mAP": 68.9},
    ("vehicle-augmentations", 3): {"rank-1": 90.4, "mAP": 65.7},
    ("vehicle-embedding", "embedding 512"): {"rank-1": 89.0, "mAP": 60.7},
    ("vehicle-batch", "batch 32"): {"rank-1": 85.6, "mAP": 54.6},
    ("vehicle-schedules", "warm-up cosine"): {"rank-1": 91.1, "mAP": 62.7},
    ("vehicle-schedules", "cyclic"): {},
    ("vehicle-image-size", "512×288"): {"rank-1": 88.2, "mAP": 60.5},
    ("vehicle-optimisers", "SGD"): {"rank-1": 80.5, "mAP": 48.9},
    ("vehicle-heads", "FC-BN-ReLU-Dropout-FC"): {"rank-1": 91.7, "mAP": 67.2},
    ("camera-mining", "baseline"): {"mAP": 85.8, "rank-1": 94.5},
    ("camera-mining", "k = 5 m = 0.1"): {"mAP": 85.9, "rank-1": 94.6},
    ("camera-mining", "k = 9 m = 0.4"): {"mAP": 85.9, "rank-1": 93.7},
}
"""Table and row (number or name) -> what its source prints."""


def _check(recipe: Recipe) -> None:
    """Every part takes its options."""
    arguments(MODELS, recipe.model, "model", ("num_classes", "attributes", "image_size"))
    arguments(SAMPLERS, recipe.sampler, "sampler", ("ids", "cameras", "targets", "seed"))
    arguments(OPTIMISERS, recipe.optimiser, "optimiser", ("parameters",))
    arguments(SCHEDULES, recipe.schedule, "schedule", ("epochs",))
    for key, options in recipe.augmentation.items():
        arguments(AUGMENTATIONS, {"name": key, **options}, f"augmentation.{key}", ("image",))
    for label, options in recipe.losses.items():
        options = {key: value for key, value in options.items() if key != "weight"}
        if label == "attributes":
            arguments(ATTRIBUTE_LOSSES, {"name": "cross-entropy", **options}, f"losses.{label}", ("counts",))
        else:
            arguments(
                {**BRUNA_LOSSES, **RECONSTRUCTION_LOSSES, **LOSSES},
                {"name": label, **options},
                f"losses.{label}",
                ("num_classes", "dim"),
            )


@pytest.mark.parametrize("name", tables())
def test_every_row_is_a_recipe_that_can_be_built(name: str) -> None:
    table = load_table(name)
    assert len(table.rows) >= 2
    planned, notes = plan(table)
    assert not notes
    for row in planned:
        _check(row.recipe(0))
    shorter, _ = plan(table, epochs=3)
    for row in shorter:
        _check(row.recipe(0))
        assert row.recipe(0).epochs == 3


@pytest.mark.parametrize("name", tables())
def test_rows_of_a_table_differ(name: str) -> None:
    # But where they are one run judged in two ways.
    table = load_table(name)
    planned, _ = plan(table)
    shared = [row for row in planned if not row.row.rerank and not row.row.targets and row.row.of == "test"]
    assert len({row.folder for row in shared}) == len(shared)


@pytest.mark.parametrize(("table", "row"), PUBLISHED)
def test_published_figures_are_the_sources(table: str, row: int | str) -> None:
    rows = load_table(table).rows
    found = rows[row - 1] if isinstance(row, int) else next(found for found in rows if found.name == row)
    assert found.published == PUBLISHED[table, row]


def test_rows_that_two_tables_share_are_one_recipe() -> None:
    """Where the source has one set-up in two tables, so have we."""

    def recipe(table: str, row: int) -> Recipe:
        return plan(load_table(table))[0][row - 1].recipe(0)

    assert recipe("vehicle-steps", 1) == recipe("vehicle-batch", 5)
    assert recipe("vehicle-steps", 2) == recipe("vehicle-batch", 3) == recipe("vehicle-optimisers", 1)
    assert recipe("vehicle-steps", 4) == recipe("vehicle-image-size", 3)
    assert recipe("vehicle-steps", 5) == recipe("vehicle-embedding", 4)
    assert recipe("vehicle-steps", 6) == recipe("vehicle-heads", 1)
    assert recipe("vehicle-steps", 7) == recipe("vehicle-heads", 4)
    steps, schedules = recipe("vehicle-steps", 4), recipe("vehicle-schedules", 1)
    # The schedule is written out in one and not in the other.
    assert steps.model_dump(exclude={"schedule"}) == schedules.model_dump(exclude={"schedule"})
    assert recipe("vehicle-steps", 8).model_dump(exclude={"augmentation"}) == recipe(
        "vehicle-augmentations", 1
    ).model_dump(exclude={"augmentation"})
