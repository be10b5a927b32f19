"""An autoencoder that has learned nothing."""

from __future__ import annotations

import pytest
import torch

from resight.recognizer import Recognizer
from resight.run import build_model


@pytest.fixture
def recognizer(tiny) -> Recognizer:
    torch.manual_seed(0)
    recipe = tiny(recipe="junk-autoencoder")
    return Recognizer(build_model(recipe, 1), recipe, device="cpu")
