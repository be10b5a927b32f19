from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resight.data.splits import (
    held_out,
    identity_split,
    query_gallery_first,
    query_gallery_split,
    split_dataset,
)
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, NO_CAMERA, UNLABELLED, Record, ReidDataset, Relevance

CLASSES = {"hat": 2, "bag": 2, "age": 4, "upper_color": 9, "lower_color": 10}


def crowd(people: int, images: int = 2, seed: int = 0) -> list[Record]:
    """People with uneven, partly dependent attributes."""
    chance = np.random.default_rng(seed)
    odds = {name: chance.dirichlet(np.full(count, 0.5)) for name, count in CLASSES.items()}
    records = []
    for identity in range(1, people + 1):
        attributes = {name: str(chance.choice(count, p=odds[name])) for name, count in CLASSES.items()}
        attributes["bag"] = attributes["bag"] if attributes["hat"] == "0" else "1"
        records += [
            Record(f"{identity}_{shot}.jpg", identity, 1 + shot % 3, attributes=attributes) for shot in range(images)
        ]
    return records


def people_with(records: Sequence[Record]) -> Counter[tuple[str, str]]:
    held = defaultdict(set)
    for record in records:
        held[record.identity].update(record.attributes.items())
    return Counter(item for items in held.values() for item in items)


def test_two_hundred_hats_become_160_and_40() -> None:
    records = [
        Record(
            f"{number}.jpg",
            number,
            attributes={"hat": "yes" if number % 5 == 0 else "no", "bag": str(number % 3)},
        )
        for number in range(1, 1001)
    ]
    train, validation = identity_split(records, 0.8, seed=3)
    assert (len(train), len(validation)) == (800, 200)
    assert (people_with(train)["hat", "yes"], people_with(validation)["hat", "yes"]) == (160, 40)


@pytest.mark.parametrize("people", [60, 300, 751, 3000])
@pytest.mark.parametrize("ratio", [0.8, 0.5, 0.9])
def test_every_class_keeps_its_share(people: int, ratio: float) -> None:
    records = crowd(people)
    first, second = identity_split(records, ratio)
    assert {r.identity for r in first}.isdisjoint(r.identity for r in second)
    assert len({r.identity for r in first}) == round(ratio * people)
    before, after = people_with(records), people_with(first)
    for item, count in before.items():
        assert abs(after[item] - ratio * count) <= 1 + 1e-9, (item, count, after[item])


def test_rare_classes_are_on_both_sides() -> None:
    records = [Record(f"{n}.jpg", n, attributes={"cane": "ny"[n in {4, 90}]}) for n in range(1, 101)]
    for ratio in (0.1, 0.5, 0.8, 0.95):
        for half in identity_split(records, ratio):
            assert people_with(half)["cane", "y"] == 1


def test_small_sets_are_as_even_as_brute_force_can_make_them() -> None:
    for seed in range(10):
        records = crowd(12, images=1, seed=seed)
        classes = [(name, str(value)) for name, count in CLASSES.items() for value in range(count)]
        matrix = np.array([[r.attributes[name] == value for name, value in classes] for r in records], float)
        sizes = matrix.sum(0)
        wanted = np.where(sizes >= 2, np.clip(0.75 * sizes, 1, np.maximum(sizes - 1, 1)), 0.75 * sizes)

        def worst(chosen: Sequence[int], matrix: np.ndarray = matrix, wanted: np.ndarray = wanted) -> float:
            return float(np.abs(matrix[list(chosen)].sum(0) - wanted).max())

        best = min(worst(chosen) for chosen in itertools.combinations(range(12), 9))
        ours = worst([record.identity - 1 for record in identity_split(records, 0.75)[0]])
        assert ours <= max(best, 1) + 1e-9


def test_seed_decides_and_order_does_not() -> None:
    records = crowd(200)
    shuffled = records.copy()
    random.Random(1).shuffle(shuffled)
    chosen = {r.identity for r in identity_split(records, seed=5)[0]}
    assert {r.identity for r in identity_split(shuffled, seed=5)[0]} == chosen
    others = [{r.identity for r in identity_split(records, seed=seed)[0]} for seed in range(3)]
    assert all(other != chosen for other in others)
    # Every person lands in the second part for some seed: nobody is stuck on one side.
    away = set().union(*({r.identity for r in identity_split(records, 0.5, seed)[1]} for seed in range(25)))
    assert len(away) > 190


def test_split_of_a_seed_never_changes() -> None:
    # Published figures name a seed: a change here changes what they were measured on.
    records = [Record(f"{n}.jpg", n, attributes={"hat": str(n * n % 7 == 1), "age": str(n % 4)}) for n in range(1, 31)]
    assert [r.identity for r in identity_split(records, 0.8, seed=0)[1]] == [1, 13, 14, 16, 19, 26]


def test_records_keep_their_order() -> None:
    records = crowd(30)
    first, second = identity_split(records)
    assert [r for r in records if r in first] == first
    assert len(first) + len(second) == len(records)


def test_without_attributes_the_count_is_kept() -> None:
    records = [Record(f"{n}.jpg", n) for n in range(1, 11)]
    first, second = identity_split(records, 0.8)
    assert (len(first), len(second)) == (8, 2)
    assert [len(half) for half in identity_split(records[:2], 0.99)] == [1, 1]


def test_free_text_costs_no_memory() -> None:
    records = [Record(f"{n}.jpg", n, attributes={"note": f"seen at {n}", "hat": str(n % 2)}) for n in range(1, 5001)]
    first, _ = identity_split(records)
    assert people_with(first)["hat", "1"] == 2000


def test_what_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"x\.jpg: identity -1"):
        identity_split([Record("a.jpg", 1), Record("x.jpg", JUNK)])
    with pytest.raises(DataError, match="1 identities"):
        identity_split([Record("a.jpg", 1)])
    for ratio in (0, 1, 80):
        with pytest.raises(DataError, match="must lie between"):
            identity_split(crowd(4), ratio)
        with pytest.raises(DataError, match="must lie between"):
            query_gallery_split(crowd(4), ratio)


IMAGES = st.lists(
    st.tuples(st.sampled_from([JUNK, DISTRACTOR, UNLABELLED, 1, 2, 3]), st.sampled_from([NO_CAMERA, 0, 1, 2])),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(IMAGES, st.floats(0.05, 0.95), st.integers(0, 5))
def test_each_query_keeps_a_match(images: list[tuple[int, int]], ratio: float, seed: int) -> None:
    records = [Record(f"{number}.jpg", *image) for number, image in enumerate(images)]
    halves = query_gallery_split(records, ratio, seed)
    assert sorted([*halves.query, *halves.gallery], key=lambda r: r.path) == sorted(records, key=lambda r: r.path)
    for query in halves.query:
        own = [r for r in records if r.identity == query.identity]
        matches = [r for r in halves.gallery if r.identity == query.identity]
        apart = [r for r in matches if NO_CAMERA in (r.camera, query.camera) or r.camera != query.camera]
        several = len({r.camera for r in own}) > 1 or any(r.camera == NO_CAMERA for r in own)
        assert matches
        assert apart or not several
    for identity in (1, 2, 3):
        own = [r for r in records if r.identity == identity]
        queries = sum(r.identity == identity for r in halves.query)
        assert (identity in halves.single_image) == (len(own) == 1)
        assert (queries >= 1) == (len(own) >= 2)
        assert queries <= max(1, ratio * len(own) + 0.5)
    assert halves.without_match == ()


def test_ratio_is_kept_within_each_identity() -> None:
    records = crowd(20, images=30)
    halves = query_gallery_split(records, 0.1)
    assert set(Counter(r.identity for r in halves.query).values()) == {3}
    assert query_gallery_split(records, 0.1, seed=1).query != halves.query
    assert query_gallery_split(records[::-1], 0.1).query == halves.query[::-1]


def test_first_by_name_in_each_camera_is_the_query() -> None:
    names = ["z/0001_c1_b.jpg", "a/0001_c1_c.jpg", "0001_c2_a.jpg", "y/0001_c1_a.jpg", "0001_c2_b.jpg"]
    records = [Record(name, 1, int(name.split("_c")[1][0])) for name in names]
    records += [
        Record("0002_c1_a.jpg", 2, 1),
        Record("junk.jpg", JUNK, 1),
        Record("other.jpg", DISTRACTOR, 1),
    ]
    halves = query_gallery_first(records)
    assert [r.path for r in halves.query] == ["0001_c2_a.jpg", "y/0001_c1_a.jpg", "0002_c1_a.jpg"]
    assert [r.path for r in halves.gallery] == [
        "z/0001_c1_b.jpg", "a/0001_c1_c.jpg", "0001_c2_b.jpg", "junk.jpg", "other.jpg",
    ]  # fmt: skip
    assert halves.single_image == (2,)


def test_what_cannot_be_searched_is_reported() -> None:
    records = [
        Record("a1.jpg", 1, 1),
        *(Record(f"b{n}.jpg", 2, 1) for n in range(3)),
        *(Record(f"c{n}.jpg", 3, n) for n in range(3)),
        *(Record(f"d{n}.jpg", 4, n % 2) for n in range(4)),
    ]
    halves = query_gallery_first(records)
    assert (halves.single_image, halves.single_camera, halves.without_match) == ((1,), (2,), (3,))
    assert halves.warnings == [
        "1 identity has one image only: 1",
        "1 identity has images of one camera only: 2",
        "1 identity has a query without a match from another camera in the gallery: 3",
    ]
    assert query_gallery_first(records[7:]).warnings == []


def test_split_dataset_uses_training_records_alone() -> None:
    test = [Record("t.jpg", 500, 1)]
    whole = ReidDataset("x", crowd(50, images=12), test, test, relevance=Relevance([], []), protocol="course")
    dataset = split_dataset(whole)
    assert {r.identity for r in dataset.train}.isdisjoint(r.identity for r in (*dataset.query, *dataset.gallery))
    assert sum(map(len, dataset.splits.values())) == 600
    assert (dataset.relevance, dataset.protocol) == (None, "market1501")
    assert len(dataset.query) == 10 * 3
    assert len(split_dataset(whole, queries="ratio", query_ratio=0.25).query) == 10 * 3
    assert len(split_dataset(whole, queries="ratio").query) == 10
    assert split_dataset(whole).query == dataset.query


def test_images_of_nobody_known_are_held_out_one_by_one() -> None:
    records = [Record(f"{number:03d}.jpg", identity) for number, identity in enumerate([1, 1, -1, -2] * 5)]
    kept, left_out = held_out(records, 0.25, seed=3)
    assert len(left_out) == 5
    assert sorted([*kept, *left_out], key=lambda record: record.path) == records
    assert held_out(records, 0.25, seed=3) == (kept, left_out)
    assert held_out(records, 0.25, seed=4) != (kept, left_out)
