"""LeNet-5 on colour images of any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from resight.models.lenet import LeNet5

WIDTHS = {"gender": 2, "age": 4, "a.b c": 3}


@pytest.mark.parametrize("size", [(64, 32), (48, 48)])
def test_every_attribute_gets_its_classes(size: tuple[int, int]) -> None:
    model = LeNet5(WIDTHS, image_size=size)
    for training in (True, False):
        logits = model.train(training).recognise(torch.randn(2, 3, *size))
        assert {name: tuple(values.shape) for name, values in logits.items()} == {
            "gender": (2, 2),
            "age": (2, 4),
            "a.b c": (2, 3),
        }


def test_the_layers_have_the_papers_widths() -> None:
    layers = list(LeNet5({"gender": 2}, image_size=(32, 32)).modules())
    assert [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)] == [6, 16]
    dense = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]
    # 32×32 becomes 16×16, 12×12 by a convolution of 5 without padding, 6×6.
    assert dense == [(16 * 6 * 6, 120), (120, 84), (84, 2)]
