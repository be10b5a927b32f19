"""A search that can be followed by hand, and a model that has nowhere to look."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from resight.recognizer import Recognizer
from tests.support.search import Search, line_search


@pytest.fixture(scope="session")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return line_search(tmp_path_factory.mktemp("search"))


class Flat(nn.Module):
    """A network without maps: the first two numbers of an image."""

    dim = 2

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]


@pytest.fixture(scope="session")
def flat(tiny) -> Recognizer:
    """A model that has nowhere to look."""
    return Recognizer(Flat(), tiny(), device="cpu")
