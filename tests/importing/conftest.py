"""Networks with weights that count, and files of them in others' layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resight.recognizer import load

IMAGES = np.random.default_rng(0).integers(0, 255, (2, 64, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def shaken() -> Callable[[nn.Module], nn.Module]:
    """A network in evaluation in which no weight and no statistic is at its beginning."""

    def shake(model: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        with torch.no_grad():
            for name, values in model.state_dict().items():
                if values.is_floating_point():
                    values.add_(
                        0.1 * torch.rand_like(values)
                        if name.endswith("running_var")
                        else 0.05 * torch.randn_like(values)
                    )
        return model.eval()

    return shake


@pytest.fixture(scope="session")
def features() -> Callable[[Path], Tensor]:
    """What a run makes of two images, before any normalisation."""

    def embed(folder: Path) -> Tensor:
        run = load(folder, "cpu")
        return run.features(run.inputs(list(IMAGES))).detach()

    return embed


@pytest.fixture(scope="session")
def pixels() -> Tensor:
    """The same two images as a batch, uint8."""
    return torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
