"""The name table of systems, the training regimes. A system is one file and one line in this table."""

from resight.engine.system import System
from resight.tasks.attributes.system import AttributeSystem
from resight.tasks.masks.system import SegmentationSystem
from resight.tasks.reconstruction.system import LabelledReconstructionSystem, ReconstructionSystem
from resight.tasks.reid.bruna import BrunaSystem
from resight.tasks.reid.system import EmbeddingSystem

__all__ = ["SYSTEMS"]

SYSTEMS: dict[str, type[System]] = {
    "embedding": EmbeddingSystem,
    "attributes": AttributeSystem,
    "reconstruction": ReconstructionSystem,
    "labelled-reconstruction": LabelledReconstructionSystem,
    "segmentation": SegmentationSystem,
    "bruna": BrunaSystem,
}
