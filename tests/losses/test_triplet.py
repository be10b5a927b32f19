"""Triplet loss against hand-worked values, a literal loop and a peer, under every mining."""

from __future__ import annotations

import math

import pytest
import torch

from resight.losses.mining import MINING, BatchAll, CameraBatchHard, DrawnTriplets, Mining, RandomMining
from resight.losses.triplet import TripletLoss
from tests.support.syncs import Waits


def loop_batch_hard(embeddings: torch.Tensor, ids: list[int], margin: float) -> float:
    losses = []
    for a in range(len(ids)):
        positives = [
            float((embeddings[a] - embeddings[p]).norm()) for p in range(len(ids)) if ids[p] == ids[a] and p != a
        ]
        negatives = [float((embeddings[a] - embeddings[n]).norm()) for n in range(len(ids)) if ids[n] != ids[a]]
        if positives and negatives:
            losses.append(max(0.0, max(positives) - min(negatives) + margin))
    return sum(losses) / len(losses)


def test_hand_worked_value() -> None:
    # On a line: identity 1 at 0 and 3, identity 2 at 4 and 5.
    embeddings = torch.tensor([[0.0], [3.0], [4.0], [5.0]])
    ids = torch.tensor([1, 1, 2, 2])
    # anchors: 0: 3 - 4 + 2 = 1;  3: 3 - 1 + 2 = 4;  4: 1 - 1 + 2 = 2;  5: 1 - 2 + 2 = 1
    assert TripletLoss(margin=2)(embeddings, ids).item() == pytest.approx((1 + 4 + 2 + 1) / 4, abs=1e-5)
    # squared: 9 - 16 + 2 < 0;  9 - 1 + 2 = 10;  1 - 1 + 2 = 2;  1 - 4 + 2 < 0
    squared = TripletLoss(margin=2, distance="squared-euclidean")
    assert squared(embeddings, ids).item() == pytest.approx((0 + 10 + 2 + 0) / 4, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_loop_and_the_peer(seed: int) -> None:
    from pytorch_metric_learning import distances, losses, miners, reducers

    torch.manual_seed(seed)
    embeddings, ids = torch.randn(24, 16), torch.randint(0, 6, (24,))
    ours = TripletLoss(margin=0.3)(embeddings, ids).item()
    assert ours == pytest.approx(loop_batch_hard(embeddings, ids.tolist(), 0.3), abs=1e-4)
    lp = distances.LpDistance(normalize_embeddings=False)
    peer = losses.TripletMarginLoss(margin=0.3, distance=lp, reducer=reducers.MeanReducer())
    mined = miners.BatchHardMiner(distance=lp)(embeddings, ids)
    assert ours == pytest.approx(peer(embeddings, ids, mined).item(), abs=1e-4)


def test_soft_margin_by_hand() -> None:
    # On a line: identity 1 at 0 and 3, identity 2 at 4 and 5; batch hard differences -1, 2, 0, -1 (as above).
    embeddings, ids = torch.tensor([[0.0], [3.0], [4.0], [5.0]]), torch.tensor([1, 1, 2, 2])
    by_hand = sum(math.log(1 + math.exp(difference)) for difference in (-1, 2, 0, -1)) / 4
    assert TripletLoss(margin="soft")(embeddings, ids).item() == pytest.approx(by_hand, abs=1e-5)


def test_batch_all_by_hand_over_non_zero_triplets_and_over_all() -> None:
    # On a line: identity 1 at 0 and 3, identity 2 at 4 and 5, margin 2.
    embeddings, ids = torch.tensor([[0.0], [3.0], [4.0], [5.0]]), torch.tensor([1, 1, 2, 2])
    # anchor 0: 3-4+2 = 1, 3-5+2 = 0;  3: 3-1+2 = 4, 3-2+2 = 3;  4: 1-4+2 < 0, 1-1+2 = 2;  5: 1-5+2 < 0, 1-2+2 = 1
    assert TripletLoss(margin=2, mining=BatchAll())(embeddings, ids).item() == pytest.approx(11 / 5, abs=1e-5)
    plain = TripletLoss(margin=2, mining=BatchAll(over="all"))
    assert plain(embeddings, ids).item() == pytest.approx(11 / 8, abs=1e-5)
    # all triplets of distance far below the margin's reach: a loss of 0 with a gradient
    far = torch.tensor([[0.0], [0.1], [90.0], [90.1]], requires_grad=True)
    loss = TripletLoss(mining=BatchAll())(far, ids)
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize("over", ["non-zero", "all"])
def test_batch_all_equals_the_loop_and_the_peer(over: str) -> None:
    from pytorch_metric_learning import distances, losses, reducers

    torch.manual_seed(1)
    embeddings, ids = torch.randn(14, 6), torch.randint(0, 4, (14,))
    terms = [
        max(0.0, float((embeddings[a] - embeddings[p]).norm() - (embeddings[a] - embeddings[n]).norm()) + 0.3)
        for a in range(14)
        for p in range(14)
        for n in range(14)
        if a != p and ids[a] == ids[p] and ids[a] != ids[n]
    ]
    kept = [term for term in terms if term > 0] if over == "non-zero" else terms
    ours = TripletLoss(margin=0.3, mining=BatchAll(over=over))(embeddings, ids).item()
    assert ours == pytest.approx(sum(kept) / len(kept), abs=1e-4)
    peer = losses.TripletMarginLoss(
        margin=0.3,
        distance=distances.LpDistance(normalize_embeddings=False),
        reducer=reducers.AvgNonZeroReducer() if over == "non-zero" else reducers.MeanReducer(),
    )
    assert ours == pytest.approx(peer(embeddings, ids).item(), abs=1e-4)


def test_random_mining_equals_the_peer_on_its_triplets() -> None:
    from pytorch_metric_learning import distances, losses, reducers

    torch.manual_seed(2)
    embeddings, ids = torch.randn(12, 5), torch.arange(4).repeat(3)
    torch.manual_seed(3)
    ours = TripletLoss(margin=1, distance="squared-euclidean", mining=RandomMining())(embeddings, ids).item()
    torch.manual_seed(3)
    anchors, positives, negatives, valid = RandomMining()(torch.zeros(12, 12), ids)
    assert valid.all()
    loop = [
        max(
            0.0,
            float((embeddings[a] - embeddings[p]).square().sum() - (embeddings[a] - embeddings[n]).square().sum() + 1),
        )
        for a, p, n in zip(anchors, positives, negatives, strict=True)
    ]
    assert ours == pytest.approx(sum(loop) / len(loop), abs=1e-4)
    peer = losses.TripletMarginLoss(
        margin=1,
        distance=distances.LpDistance(normalize_embeddings=False, power=2),
        reducer=reducers.MeanReducer(),
    )
    assert ours == pytest.approx(peer(embeddings, ids, (anchors, positives, negatives)).item(), abs=1e-4)


def test_drawn_triplets_are_anchor_positive_negative_as_dealt() -> None:
    # (0 - 1)² - (0 - 5)² + 30 = 6 and (4 - 2)² - (4 - 4.5)² + 30 = 33.75
    embeddings, ids = torch.tensor([[0.0], [1], [5], [4], [2], [4.5]]), torch.tensor([1, 1, 2, 2, 2, 1])
    loss = TripletLoss(margin=30, distance="squared-euclidean", mining=DrawnTriplets())
    assert loss(embeddings, ids).item() == pytest.approx((6 + 33.75) / 2)


@pytest.mark.parametrize("mining", [None, BatchAll(), BatchAll(over="all"), RandomMining(), CameraBatchHard()])
@pytest.mark.parametrize("distance", ["euclidean", "squared-euclidean", "cosine"])
@pytest.mark.parametrize("margin", [0.7, "soft"])
def test_gradients_numerically(margin: float | str, distance: str, mining: Mining | None) -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(8, 4, dtype=torch.float64, requires_grad=True)
    loss = TripletLoss(margin=margin, distance=distance, mining=mining)

    def same_draw(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return loss(x, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), torch.tensor([0, 1, 0, 1, 0, 1, 1, 1]))

    assert torch.autograd.gradcheck(same_draw, (embeddings,))


def test_gradient_is_finite_for_equal_images() -> None:
    same = torch.zeros(4, 4, requires_grad=True)
    TripletLoss(margin=5.0)(same, torch.tensor([0, 0, 1, 1])).backward()
    assert torch.isfinite(same.grad).all()


@pytest.mark.parametrize("mining", MINING)
def test_mining_waits_for_no_gpu(mining: str) -> None:
    embeddings, ids = torch.randn(12, 5, requires_grad=True), torch.arange(4).repeat_interleave(3)
    loss = TripletLoss(mining=MINING[mining]())
    with Waits() as waits:
        loss(embeddings, ids, ids % 2).backward()
        loss.end_batch()
    assert waits.found == []


def test_no_triplet_is_a_loss_of_zero_with_a_gradient() -> None:
    embeddings = torch.randn(4, 3, requires_grad=True)
    for ids in ([1, 1, 1, 1], [1, 2, 3, 4]):
        loss = TripletLoss()(embeddings, torch.tensor(ids))
        loss.backward()
        assert loss.item() == 0


def test_mining_learns_of_epochs_and_batches_through_the_loss() -> None:
    ids, cameras = torch.tensor([1, 1, 1, 2, 2]), torch.tensor([1, 1, 2, 1, 2])
    embeddings = torch.tensor([[0.0], [3], [2.5], [10], [9]])
    loss, plain = TripletLoss(margin=8, mining=CameraBatchHard(k=5, epochs=2)), TripletLoss(margin=8)
    assert loss.needs_cameras
    assert not plain.needs_cameras
    loss.end_batch()
    assert loss.state_dict()["mining.iterations"] == 1, "a resumed run goes on counting"
    loss.begin_epoch(1)
    assert loss(embeddings, ids, cameras) != plain(embeddings, ids)
    loss.begin_epoch(2)
    assert loss(embeddings, ids, cameras) == plain(embeddings, ids), "the bias ends after two epochs"
