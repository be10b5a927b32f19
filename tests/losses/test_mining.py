"""Mining: which triplets each way chooses, by hand and by counting draws, and how the camera bias ends."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from resight.errors import RecipeError
from resight.losses.distances import pairwise_distances
from resight.losses.mining import (
    MINING,
    BatchAll,
    BatchHard,
    CameraBatchHard,
    DrawnTriplets,
    RandomMining,
    Triplets,
    pair_masks,
)
from resight.losses.triplet import TripletLoss


def test_pairs_are_of_the_same_identity_but_never_an_image_with_itself() -> None:
    positive, negative = pair_masks(torch.tensor([4, 7, 4]))
    assert positive.tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    assert negative.tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def taken(triplets: Triplets) -> list[tuple[int, ...]]:
    """Anchor, positive and negative of each that counts."""
    *places, valid = torch.broadcast_tensors(*triplets)
    return list(zip(*(part[valid].tolist() for part in places), strict=True))


def test_batch_all_takes_every_positive_with_every_negative() -> None:
    ids = [0, 0, 0, 1, 1, 2]
    found = taken(BatchAll()(torch.zeros(6, 6), torch.tensor(ids)))
    assert len(set(found)) == len(found)
    assert set(found) == {
        (a, p, n)
        for a in range(6)
        for p in range(6)
        for n in range(6)
        if a != p and ids[a] == ids[p] and ids[a] != ids[n]
    }


def test_equal_distances_go_to_the_lowest_index() -> None:
    anchors, positives, negatives, valid = BatchHard()(torch.ones(5, 5), torch.tensor([0, 0, 0, 1, 1]))
    assert valid.all()
    assert anchors.tolist() == [0, 1, 2, 3, 4]
    assert positives.tolist() == [1, 0, 0, 4, 3]
    assert negatives.tolist() == [3, 3, 3, 0, 0]


def test_drawn_triplets_are_read_in_threes() -> None:
    found = DrawnTriplets()(torch.zeros(6, 6), torch.tensor([1, 1, 2, 3, 3, 1]))
    assert taken(found) == [(0, 1, 2), (3, 4, 5)]


@pytest.mark.parametrize("name", [name for name in MINING if name != "drawn"])
def test_an_anchor_without_a_positive_or_a_negative_is_left_out(name: str) -> None:
    mining, cameras = MINING[name](), torch.zeros(4, dtype=torch.int64)
    found = taken(mining(torch.rand(4, 4), torch.tensor([0, 0, 1, 2]), cameras))
    assert {(anchor, positive) for anchor, positive, _ in found} == {(0, 1), (1, 0)}
    assert {negative for *_, negative in found} <= {2, 3}
    for ids in ([0, 0, 0, 0], [0, 1, 2, 3]):
        assert not mining(torch.rand(4, 4), torch.tensor(ids), cameras).valid.any()


def test_random_mining_draws_valid_triplets_alike_anew_and_again_under_a_seed() -> None:
    ids = torch.tensor([0, 0, 0, 1, 1, 1, 2])  # nobody else has identity 2: a negative only
    distances, mining = torch.zeros(7, 7), RandomMining()
    torch.manual_seed(0)
    drawn = [mining(distances, ids) for _ in range(400)]
    for triplets in drawn:
        chosen = taken(triplets)
        assert [anchor for anchor, *_ in chosen] == [0, 1, 2, 3, 4, 5]
        for anchor, positive, negative in chosen:
            assert ids[anchor] == ids[positive] != ids[negative]
            assert anchor != positive
    # anchor 0 has the positives 1, 2 and the negatives 3 to 6; 400 draws each: 200 and 100 within four deviations
    positives = Counter(int(triplets.positives[0]) for triplets in drawn)
    negatives = Counter(int(triplets.negatives[0]) for triplets in drawn)
    assert set(positives) == {1, 2}
    assert set(negatives) == {3, 4, 5, 6}
    assert all(abs(count - 200) < 40 for count in positives.values())
    assert all(abs(count - 100) < 35 for count in negatives.values())
    torch.manual_seed(0)
    assert all(torch.equal(a, b) for a, b in zip(mining(distances, ids), drawn[0], strict=True))


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
    masked = DISTANCES.masked_fill(~mask, -torch.inf)
    assert mining.bias(masked).item() == pytest.approx(5 * spread)
    for _ in range(4):
        mining.end_batch()
    assert mining.bias(masked).item() == pytest.approx(5 * spread / (1 + 0.5 * 4))
    drawn = CameraBatchHard(k=5, m=0.5, bias_std="zeros")
    # With the 25 - 8 masked zeros in, the variance is the mean of the squares less the square of the mean.
    with_zeros = math.sqrt(positives.square().sum() / 25 - (positives.sum() / 25) ** 2)
    assert drawn.bias(masked).item() == pytest.approx(5 * with_zeros)
    still = CameraBatchHard(k=5, m=0.5, decay=False)
    for _ in range(4):
        still.end_batch()
    assert still.bias(masked).item() == pytest.approx(5 * spread)


def test_camera_mining_keeps_what_it_chose_from() -> None:
    mining = CameraBatchHard(k=1, m=0.1, negatives="raise", bias_std="zeros")
    assert mining.last is None
    triplets = mining(DISTANCES, IDS, CAMERAS)
    distances, adjusted, chosen = mining.last
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(chosen, triplets, strict=True))
    inf = math.inf
    assert distances.positives[0].tolist() == [-inf, 5, 4, -inf, -inf]
    assert distances.negatives[3].tolist() == [7, 7, 6, inf, inf]
    # As the slides draw it: 1 - 3 - 1 … of the same camera are nearer among positives and farther among negatives.
    near, far = mining.bias(distances.positives), mining.bias(distances.negatives)
    torch.testing.assert_close(adjusted.positives[0, 1:3], torch.tensor([5 - near, 4]))
    torch.testing.assert_close(adjusted.negatives[3, :3], torch.tensor([7 + far, 7 + far, 6]))
    mining.begin_epoch(1)
    assert mining.last is None


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
    anchors, positives, negatives, valid = mining(distances, ids, cameras)
    assert valid.all()
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
