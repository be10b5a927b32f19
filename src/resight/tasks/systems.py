"""The name table of systems, the training regimes. A system is one file and one line in this table."""

from collections.abc import Callable

from resight.data.training_set import TrainingSet, divide
from resight.engine.system import System
from resight.errors import RunError
from resight.recipe import Recipe, pick
from resight.records import ReidDataset
from resight.run import Run
from resight.tasks.attributes.system import AttributeSystem
from resight.tasks.masks.system import SegmentationSystem
from resight.tasks.reconstruction.system import LabelledReconstructionSystem, ReconstructionSystem
from resight.tasks.reid.bruna import BrunaSystem
from resight.tasks.reid.system import EmbeddingSystem

__all__ = ["SYSTEMS", "own_training_set", "training_set_of"]

SYSTEMS: dict[str, type[System]] = {
    "embedding": EmbeddingSystem,
    "attributes": AttributeSystem,
    "reconstruction": ReconstructionSystem,
    "labelled-reconstruction": LabelledReconstructionSystem,
    "segmentation": SegmentationSystem,
    "bruna": BrunaSystem,
}


def training_set_of(
    recipe: Recipe, dataset: ReidDataset, tell: Callable[[str], None] = lambda line: None
) -> TrainingSet:
    """What a recipe makes of a dataset's training split, for the system that it names; `tell` and errors as in `divide`."""
    return divide(recipe, dataset, pick(SYSTEMS, recipe.system, "system").learns, tell)


def own_training_set(run: Run, dataset: ReidDataset) -> TrainingSet:
    """What a run was trained on and what it held out, from the dataset of its training.

    Raises RunError when this is another dataset: other images, identities or classes.
    """
    found = training_set_of(run.recipe, dataset)
    # Runs of versions that kept no digest are known by what these kept.
    if run.digest is None:
        same = (run.classes, run.schema) == (found.classes, found.schema)
    else:
        same = found.has_digest(run.digest)
    if not same:
        raise RunError(
            f"{run.folder} was not trained on this data, so that nothing of it is its training or validation; give the "
            f"data of its training: --data {' --data '.join(run.data) or '…'}"
        )
    return found
