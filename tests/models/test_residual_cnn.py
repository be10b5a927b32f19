"""The small residual network: shapes, the skip, and that it is built as the report says."""

from __future__ import annotations

import pytest
import torch

from resight.models.residual_cnn import ResidualCNN

WIDTHS = {"gender": 2, "age": 4, "a.b c": 3}


@pytest.mark.parametrize("size", [(64, 32), (48, 48)])
def test_every_attribute_gets_its_classes(size: tuple[int, int]) -> None:
    model = ResidualCNN(WIDTHS)
    for training in (True, False):
        logits = model.train(training).recognise(torch.randn(2, 3, *size))
        assert {name: tuple(values.shape) for name, values in logits.items()} == {
            "gender": (2, 2),
            "age": (2, 4),
            "a.b c": (2, 3),
        }


def test_the_skip_adds_block_twos_input() -> None:
    torch.manual_seed(0)
    with_skip = ResidualCNN(WIDTHS, channels=(4, 8), hidden=8).eval()
    without = ResidualCNN(WIDTHS, channels=(4, 8), hidden=8, skip=False).eval()
    without.load_state_dict(with_skip.state_dict())
    images = torch.randn(2, 3, 32, 16)
    assert not torch.allclose(with_skip(images)["age"], without(images)["age"])
    for parameter in with_skip.block2.parameters():
        torch.nn.init.zeros_(parameter)
    flat = with_skip.pool(with_skip.block1(images)).flatten(1)
    torch.testing.assert_close(with_skip(images)["age"], with_skip.heads(flat)["age"])


def test_the_residual_network_is_built_as_the_report_says() -> None:
    kinds = [type(module).__name__ for module in ResidualCNN(WIDTHS).modules()]
    assert kinds.count("Conv2d") == 4
    assert kinds.count("MaxPool2d") == 2
    assert kinds.count("BatchNorm2d") == 4
    heads = ResidualCNN({f"a{i}": 2 for i in range(12)}).heads
    assert sum(isinstance(module, torch.nn.Linear) for module in heads.modules()) == 24
