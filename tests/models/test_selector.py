"""The selector looks at each pair alone, and predicts distances."""

from __future__ import annotations

import pytest
import torch

from resight.models.selector import Selector


def test_each_pair_is_compared_alone() -> None:
    selector = Selector(width=4).eval()
    anchors, others = torch.randn(2, 3, 32, 16), torch.randn(2, 8, 3, 32, 16)
    together = selector(anchors, others)
    assert together.shape == (2, 8)
    assert (together >= 0).all()
    alone = selector(anchors[1:], others[1:, 3:4])
    assert alone.item() == pytest.approx(together[1, 3].item(), rel=1e-5)


def test_order_in_a_pair_does_not_matter() -> None:
    selector = Selector(width=4).eval()
    one, other = torch.randn(1, 3, 32, 16), torch.randn(1, 3, 32, 16)
    torch.testing.assert_close(selector(one, other[:, None]), selector(other, one[:, None]))
