"""Pictures that several tasks' reports show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from resight.data.images import read_image
from resight.data.loaders import resize
from resight.recognizer import Recognizer
from resight.records import Record
from resight.views.grids import reconstructions

__all__ = ["reconstructed"]


def reconstructed(model: Recognizer, records: Sequence[Record]) -> Image.Image:
    """Images above what a model makes of them. Raises RunError when it reconstructs nothing."""
    images = torch.stack([resize(read_image(record.path), model.recipe.image) for record in records])
    return reconstructions(images.numpy(), model.reconstruct_batch(images))
