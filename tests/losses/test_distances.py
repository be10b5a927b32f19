"""Distances between embeddings equal a loop over pairs, and keep a finite gradient at 0."""

from __future__ import annotations

import math

import pytest
import torch

from resight.losses.distances import pairwise_distances


def test_cosine_distance_by_hand() -> None:
    distances = pairwise_distances(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]), "cosine")
    torch.testing.assert_close(distances, torch.tensor([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]]))


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
def test_every_distance_equals_a_loop_over_pairs(distance: str) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(4, 3, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    found = pairwise_distances(left, distance, to=right)
    assert found.shape == (4, 6)
    for i, a in enumerate(left.tolist()):
        for j, b in enumerate(right.tolist()):
            squared = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
            cosine = sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
            by_hand = {"euclidean": math.sqrt(squared), "squared-euclidean": squared, "cosine": 1 - cosine}[distance]
            assert found[i, j].item() == pytest.approx(by_hand)
    torch.testing.assert_close(pairwise_distances(left, distance), pairwise_distances(left, distance, to=left))


@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
def test_equal_embeddings_keep_a_finite_gradient(distance: str) -> None:
    same = torch.ones(3, 2, requires_grad=True)
    pairwise_distances(same, distance).sum().backward()
    assert torch.isfinite(same.grad).all()
