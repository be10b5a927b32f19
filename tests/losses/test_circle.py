"""Circle loss against a hand-worked value and a literal loop of the paper's formula."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resight.losses.circle import CircleLoss


def test_hand_worked_value() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    # margin 0.25, scale 2. Anchors 0 and 1: their pair has cosine 1, exp(-2 · 0.25 · 0.25) = exp(-1/8);
    # the other's cosine is 0, exp(2 · 0.25 · -0.25) = exp(-1/8). Anchor 2 has no positive and does not count.
    value = CircleLoss(margin=0.25, scale=2)(embeddings, torch.tensor([0, 0, 1])).item()
    assert value == pytest.approx(math.log(1 + math.exp(-1 / 4)), abs=1e-5)


def loop(embeddings: Tensor, ids: Tensor, margin: float, scale: float) -> Tensor:
    unit = embeddings / embeddings.norm(dim=1, keepdim=True)
    terms = []
    for a in range(len(ids)):
        same, other = torch.zeros(()), torch.zeros(())
        for b in range(len(ids)):
            c = unit[a] @ unit[b]
            if ids[a] != ids[b]:
                other = other + torch.exp(scale * (c + margin).clamp(min=0).detach() * (c - margin))
            elif a != b:
                same = same + torch.exp(-scale * (1 + margin - c).clamp(min=0).detach() * (c - 1 + margin))
        if same > 0 and other > 0:
            terms.append(torch.log1p(same * other))
    return torch.stack(terms).mean()


@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_equal_the_loop(seed: int) -> None:
    torch.manual_seed(seed)
    ids = torch.randint(0, 4, (12,))
    ours, theirs = (torch.randn(12, 5, generator=torch.Generator().manual_seed(seed), requires_grad=True) for _ in "ab")
    value, expected = CircleLoss(margin=0.3, scale=8)(ours, ids), loop(theirs, ids, 0.3, 8)
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_easy_anchors_count_in_the_mean() -> None:
    embeddings = torch.tensor([[1.0, 0, 0], [1, 0, 0], [-1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1]])
    # margin 0.25, scale 2000. Anchors 0 to 3: about exp(-125), 0 in float32. Anchors 4, 5: their pair has cosine 0,
    # exponent 2000 · 1.25 · 0.75 = 1875; four others of cosine 0, exponent 2000 · 0.25 · -0.25 = -125 each.
    value = CircleLoss(scale=2000)(embeddings, torch.tensor([0, 0, 1, 1, 2, 2])).item()
    assert value == pytest.approx(2 * (1875 - 125 + math.log(4)) / 6, rel=1e-5)


@given(ids=st.lists(st.integers(0, 3), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_value_and_gradient_equal_another_library(ids: list[int], seed: int) -> None:
    from pytorch_metric_learning.losses import CircleLoss as Theirs
    from pytorch_metric_learning.reducers import SumReducer

    labels, counts = torch.tensor(ids), Counter(ids)
    anchors = sum(count for count in counts.values() if count > 1 and len(counts) > 1)
    values = torch.randn(len(ids), 5, generator=torch.Generator().manual_seed(seed))
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    value = CircleLoss()(ours, labels)
    expected = Theirs(m=0.25, gamma=128, reducer=SumReducer())(theirs, labels) / max(1, anchors)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)
