"""A recipe's parts against the signatures of what they name."""

from __future__ import annotations

from resight.data.augmentations import AUGMENTATIONS
from resight.data.samplers import SAMPLERS
from resight.engine.optimisers import OPTIMISERS
from resight.engine.schedules import SCHEDULES
from resight.losses import ATTRIBUTE_LOSSES, BRUNA_LOSSES, LOSSES, MASK_LOSSES, RECONSTRUCTION_LOSSES
from resight.models import MODELS
from resight.recipe import Recipe, arguments

__all__ = ["check_parts"]


def check_parts(recipe: Recipe) -> None:
    """Raise RecipeError unless every part takes its options; nothing is built."""
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
                {**BRUNA_LOSSES, **RECONSTRUCTION_LOSSES, **MASK_LOSSES, **LOSSES},
                {"name": label, **options},
                f"losses.{label}",
                ("num_classes", "dim"),
            )
