"""Triplet loss and mining against hand-worked values and a literal loop."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from resight.errors import RecipeError
from resight.losses.distances import pairwise_distances
from resight.losses.mining import BatchAll, BatchHard, CameraBatchHard, DrawnTriplets, Mining, RandomMining
from resight.losses.triplet import TripletLoss


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


def test_random_mining_draws_valid_triplets_alike_anew_and_again_under_a_seed() -> None:
    ids = torch.tensor([0, 0, 0, 1, 1, 1, 2])  # nobody else has identity 2: a negative only
    distances, mining = torch.zeros(7, 7), RandomMining()
    torch.manual_seed(0)
    drawn = [mining(distances, ids) for _ in range(400)]
    for anchors, positives, negatives in drawn:
        assert anchors.tolist() == [0, 1, 2, 3, 4, 5]
        assert (ids[anchors] == ids[positives]).all()
        assert (anchors != positives).all()
        assert (ids[anchors] != ids[negatives]).all()
    # anchor 0 has the positives 1, 2 and the negatives 3 to 6; 400 draws each: 200 and 100 within four deviations
    positives = Counter(int(triplets.positives[0]) for triplets in drawn)
    negatives = Counter(int(triplets.negatives[0]) for triplets in drawn)
    assert set(positives) == {1, 2}
    assert set(negatives) == {3, 4, 5, 6}
    assert all(abs(count - 200) < 40 for count in positives.values())
    assert all(abs(count - 100) < 35 for count in negatives.values())
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(mining(distances, ids), drawn[0], strict=True))


def test_random_mining_equals_the_peer_on_its_triplets() -> None:
    from pytorch_metric_learning import distances, losses, reducers

    torch.manual_seed(2)
    embeddings, ids = torch.randn(12, 5), torch.arange(4).repeat(3)
    torch.manual_seed(3)
    ours = TripletLoss(margin=1, distance="squared-euclidean", mining=RandomMining())(embeddings, ids).item()
    torch.manual_seed(3)
    anchors, positives, negatives = RandomMining()(torch.zeros(12, 12), ids)
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


def test_no_triplet_is_a_loss_of_zero_with_a_gradient() -> None:
    embeddings = torch.randn(4, 3, requires_grad=True)
    for ids in ([1, 1, 1, 1], [1, 2, 3, 4]):
        loss = TripletLoss()(embeddings, torch.tensor(ids))
        loss.backward()
        assert loss.item() == 0


def test_cosine_distance() -> None:
    distances = pairwise_distances(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]), "cosine")
    torch.testing.assert_close(distances, torch.tensor([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]]))


# Camera mining on four images: identity 1 in cameras 1, 1, 2 and identity 2 in camera 1, 2.
IDS = torch.tensor([1, 1, 1, 2, 2])
CAMERAS = torch.tensor([1, 1, 2, 1, 2])
DISTANCES = torch.tensor(
    [
        [0.0, 5.0, 4.0, 7.0, 6.0],
        [5.0, 0.0, 4.5, 7.0, 6.5],
        [4.0, 4.5, 0.0, 6.0, 6.2],
        [7.0, 7.0, 6.0, 0.0, 2.0],
        [6.0, 6.5, 6.2, 2.0, 0.0],
    ]
)


def test_camera_mining_prefers_other_cameras_for_positives_and_the_same_for_negatives() -> None:
    plain = BatchHard()(DISTANCES, IDS)
    assert plain.positives[0] == 1
    assert plain.negatives[0] == 4
    mining = CameraBatchHard(k=5, m=0.1)
    biased = mining(DISTANCES, IDS, CAMERAS)
    assert biased.positives[0] == 2, "the far image of the same camera gives way to the one of another camera"
    assert biased.negatives[0] == 3, "the near image of another camera gives way to the one of the same camera"


def test_camera_bias_is_the_source_formula() -> None:
    positives = torch.tensor([5.0, 4.0, 5.0, 4.5, 4.0, 4.5, 2.0, 2.0])  # both directions of every same-identity pair
    spread = math.sqrt(((positives - positives.mean()) ** 2).mean())
    mining = CameraBatchHard(k=5, m=0.5)
    mask = (IDS[:, None] == IDS[None, :]) & ~torch.eye(5, dtype=torch.bool)
    assert mining.bias(DISTANCES, mask).item() == pytest.approx(5 * spread)
    mining.iterations += 4
    assert mining.bias(DISTANCES, mask).item() == pytest.approx(5 * spread / (1 + 0.5 * 4))
    drawn = CameraBatchHard(k=5, m=0.5, bias_std="zeros")
    zeroed = DISTANCES * mask
    assert drawn.bias(DISTANCES, mask).item() == pytest.approx(5 * zeroed.std(correction=0).item())
    still = CameraBatchHard(k=5, m=0.5, decay=False)
    still.iterations += 4
    assert still.bias(DISTANCES, mask).item() == pytest.approx(5 * spread)


def test_camera_biased_triplets_by_hand() -> None:
    # k = 5. Same-identity distances 3, 2.5, 0.5, 1: bias 5.15; others 10, 9, 7, 6, 7.5, 6.5: bias 7.02.
    embeddings = torch.tensor([[0.0], [3], [2.5], [10], [9]])
    loss = TripletLoss(margin=8, mining=CameraBatchHard(k=5))(embeddings, IDS, CAMERAS)
    hand = [2.5 - 10 + 8, 0.5 - 7 + 8, 2.5 - 6.5 + 8, 1 - 7 + 8, 1 - 6.5 + 8]
    assert loss.item() == pytest.approx(sum(hand) / 5, abs=1e-5)


def test_images_of_no_known_camera_share_it_with_no_other() -> None:
    plain, nowhere = BatchHard()(DISTANCES, IDS), CameraBatchHard()(DISTANCES, IDS, torch.full((5,), -1))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(plain, nowhere, strict=True))
    half = CameraBatchHard()(DISTANCES, IDS, torch.tensor([1, 1, -1, -1, -1]))
    assert half.positives[0] == 2
    assert half.negatives[0] == 4, "nobody else was seen by camera 1"


def test_camera_mining_changes_the_choice_not_the_loss_value() -> None:
    torch.manual_seed(0)
    embeddings, ids, cameras = torch.randn(16, 8), torch.arange(4).repeat(4), torch.randint(0, 2, (16,))
    mining = CameraBatchHard(k=3)
    loss = TripletLoss(margin=1.0, mining=mining)(embeddings, ids, cameras).item()
    distances = pairwise_distances(embeddings)
    anchors, positives, negatives = mining(distances, ids, cameras)
    terms = (distances[anchors, positives] - distances[anchors, negatives] + 1).clamp(min=0)
    assert loss == pytest.approx(terms.mean().item())


def test_camera_bias_can_end_early_raise_negatives_and_needs_cameras() -> None:
    early = CameraBatchHard(k=5, epochs=1)
    early.begin_epoch(1)
    assert early(DISTANCES, IDS, CAMERAS).positives[0] == BatchHard()(DISTANCES, IDS).positives[0]
    near = DISTANCES.clone()
    near[0, 3] = near[3, 0] = 5.9  # the nearest other person, in the same camera
    assert BatchHard()(near, IDS).negatives[0] == 3
    assert CameraBatchHard(k=5)(near, IDS, CAMERAS).negatives[0] == 3
    assert CameraBatchHard(k=5, negatives="raise")(near, IDS, CAMERAS).negatives[0] == 4
    with pytest.raises(RecipeError, match="camera labels"):
        CameraBatchHard()(DISTANCES, IDS)
