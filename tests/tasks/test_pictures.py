"""Images above what a model makes of them: the pixels that the network saw, and those that it gave back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from resight.errors import RunError
from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.run import build_model
from resight.tasks.pictures import reconstructed


def test_images_stand_above_their_reconstructions(crowd: ReidDataset, tiny) -> None:
    torch.manual_seed(0)
    recipe = tiny(recipe="junk-autoencoder")
    model = Recognizer(build_model(recipe, 1), recipe, device="cpu")
    picture = np.asarray(reconstructed(model, crowd.query[:3]))
    # Images of 32 × 16 pixels, each pixel a square of 4 × 4, two such squares between two images.
    assert picture.shape == (4 * (2 * 32 + 2), 4 * (3 * 16 + 2 * 2), 3)
    given, made = picture[: 4 * 32 : 4, ::4], picture[4 * 34 :: 4, ::4]
    for place, record in enumerate(crowd.query[:3]):
        left = 18 * place
        mean = np.asarray(Image.open(record.path)).mean((0, 1))
        np.testing.assert_allclose(given[:, left : left + 16].mean((0, 1)), mean, atol=3)
        seen = torch.from_numpy(given[:, left : left + 16].copy()).permute(2, 0, 1)[None]
        np.testing.assert_array_equal(made[:, left : left + 16], model.reconstruct_batch(seen)[0].transpose(1, 2, 0))


def test_a_model_that_reconstructs_nothing_says_so(crowd: ReidDataset, tiny) -> None:
    recipe = tiny(recipe="segmentation-unet")
    with pytest.raises(RunError, match="reconstructs no images"):
        reconstructed(Recognizer(build_model(recipe, 1), recipe, device="cpu"), crowd.query[:1])
