"""Pictures that the reports of several tasks share."""

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
    """Images, as the model sees them, above their reconstructions. Raises RunError for a model that makes none."""
    images = torch.stack([resize(read_image(record.path), model.recipe.image) for record in records])
    return reconstructions(images.numpy(), model.reconstruct_batch(images))
