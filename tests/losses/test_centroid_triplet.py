"""Centroid triplet loss against a hand-worked value and a literal loop."""

from __future__ import annotations

import math

import pytest
import torch

from resight.losses.centroid_triplet import CentroidTripletLoss

# On a line: identity 1 at 0, 2 and 4, identity 2 at 10 and 12.
LINE = torch.tensor([[0.0], [2.0], [4.0], [10.0], [12.0]])
IDS = torch.tensor([1, 1, 1, 2, 2])
# to the mean of the identity's other images, and to the other identity's mean (11 or 2):
OWN, OTHER = (3, 0, 3, 2, 2), (11, 9, 7, 8, 10)


def test_hand_worked_value() -> None:
    # margin 9: 3 - 11 + 9 = 1;  0 - 9 + 9 = 0;  3 - 7 + 9 = 5;  2 - 8 + 9 = 3;  2 - 10 + 9 = 1
    assert CentroidTripletLoss(margin=9)(LINE, IDS).item() == pytest.approx(10 / 5, abs=1e-5)
    soft = sum(math.log(1 + math.exp(own - other)) for own, other in zip(OWN, OTHER, strict=True)) / 5
    assert CentroidTripletLoss(margin="soft")(LINE, IDS).item() == pytest.approx(soft, abs=1e-5)
    # squared, margin 60: 9 - 121 + 60 < 0;  0 - 81 + 60 < 0;  9 - 49 + 60 = 20;  4 - 64 + 60 = 0;  4 - 100 + 60 < 0
    squared = CentroidTripletLoss(margin=60, distance="squared-euclidean")
    assert squared(LINE, IDS).item() == pytest.approx(20 / 5, abs=1e-4)


def test_one_who_is_alone_is_no_anchor_but_a_centroid() -> None:
    # identity 3 at 5 is now the nearest other of all but 12 (7, and 10 before): 5, 3, 1, 5, 7 away
    # margin 2: 3 - 5 + 2 = 0;  0 - 3 + 2 < 0;  3 - 1 + 2 = 4;  2 - 5 + 2 < 0;  2 - 7 + 2 < 0
    line, ids = torch.cat([LINE, torch.tensor([[5.0]])]), torch.cat([IDS, torch.tensor([3])])
    assert CentroidTripletLoss(margin=2)(line, ids).item() == pytest.approx(4 / 5, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loop(seed: int) -> None:
    torch.manual_seed(seed)
    embeddings, ids = torch.randn(20, 6), torch.randint(0, 5, (20,))
    terms = []
    for anchor in range(20):
        companions = [i for i in range(20) if ids[i] == ids[anchor] and i != anchor]
        if not companions:
            continue
        own = (embeddings[anchor] - embeddings[companions].mean(0)).norm()
        others = [
            (embeddings[anchor] - embeddings[ids == other].mean(0)).norm()
            for other in ids.unique()
            if other != ids[anchor]
        ]
        terms.append(max(0.0, float(own - min(others) + 0.3)))
    assert CentroidTripletLoss(margin=0.3)(embeddings, ids).item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)
