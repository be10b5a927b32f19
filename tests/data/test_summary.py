from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np

from resight.data.formats import read_dataset
from resight.data.summary import attribute_counts, find_problems, images_per_identity, summarise
from resight.records import AttributeSchema, Record, ReidDataset, Relevance


def test_counts_by_hand(market: Path) -> None:
    train, query, gallery = summarise(read_dataset(f"market1501:{market}"))
    assert astuple(train) == ("train", 8, 2, 2, 0, 0, 0, 4, 4.0, 4)
    assert astuple(query) == ("query", 2, 2, 2, 0, 0, 0, 1, 1.0, 1)
    assert astuple(gallery) == ("gallery", 5, 2, 4, 1, 1, 0, 1, 1.5, 2)


def test_unlabelled_and_empty_splits(course: Path) -> None:
    rows = {row.split: row for row in summarise(read_dataset(f"course:{course}"))}
    assert (rows["gallery"].unlabelled, rows["gallery"].identities, rows["gallery"].cameras) == (3, 0, 0)
    assert (rows["gallery"].fewest, rows["gallery"].median, rows["gallery"].most) == (0, 0.0, 0)
    assert summarise(ReidDataset("empty")) == []


def test_images_per_identity_leaves_junk_out(market: Path) -> None:
    assert images_per_identity(read_dataset(f"market1501:{market}").gallery) == {1: 2, 3: 1}


def test_attribute_counts_by_images_and_by_people() -> None:
    schema = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "old")})
    records = [
        Record("a.jpg", 1, attributes={"hat": "yes"}),
        Record("b.jpg", 1, attributes={"hat": "yes"}),
        Record("c.jpg", 2, attributes={"hat": "no", "age": "old"}),
        Record("d.jpg", -1, attributes={"hat": "no"}),
    ]
    assert attribute_counts(records, schema) == {"hat": {"no": 2, "yes": 2}, "age": {"young": 0, "old": 1}}
    assert attribute_counts(records, schema, "identities") == {
        "hat": {"no": 1, "yes": 1},
        "age": {"young": 0, "old": 1},
    }


def test_problems_are_named(market: Path) -> None:
    dataset = read_dataset(f"market1501:{market}")
    assert find_problems(dataset) == []
    records = [Record("lone.jpg", 9, 1), Record("a.jpg", 3, 1), Record("b.jpg", 3, 1)]
    problems = find_problems(
        ReidDataset(
            "x",
            train=records,
            query=[Record("q1.jpg", 3, 1), Record("q2.jpg", 4, 1), Record("q3.jpg", -2)],
            gallery=[Record("g1.jpg", 3, 1), Record("g2.jpg", 4, 2)],
            schema=AttributeSchema({"hat": ("no", "yes")}),
        )
    )
    assert problems == [
        "train: 1 identity has one image only, so no positive pair: 9",
        "query: 1 image without identity, which can be searched for but not evaluated",
        "query: 1 image has no match in the gallery, not counted in an evaluation: q1.jpg",
        "train and query share 1 identity, so the evaluation is too favourable: 3",
        "train: 3 of 3 images without attributes",
    ]


def test_match_depends_on_protocol_and_explicit_answers() -> None:
    query, gallery = [Record("q.jpg", 3, 1)], [Record("g.jpg", 3, 1)]
    assert len(find_problems(ReidDataset("x", query=query, gallery=gallery))) == 1
    assert find_problems(ReidDataset("x", query=query, gallery=gallery, protocol="course")) == []
    [unknown] = find_problems(ReidDataset("x", query=[Record("q.jpg", 3)], gallery=gallery))
    assert unknown.startswith("query and gallery: the camera of 1 of 2 images with an identity is unknown")
    right = Relevance([np.array([0])], [np.array([], np.int64)])
    wrong = Relevance([np.array([], np.int64)], [np.array([0])])
    assert find_problems(ReidDataset("x", query=query, gallery=gallery, relevance=right)) == []
    assert len(find_problems(ReidDataset("x", query=query, gallery=gallery, relevance=wrong))) == 1
    assert len(find_problems(ReidDataset("x", query=[Record("q.jpg", 0, 1)], gallery=[Record("g.jpg", 0, 2)]))) == 1


def test_queries_that_are_in_the_gallery_themselves_are_named() -> None:
    query, gallery = [Record("a.jpg", 1, 1)], [Record("./a.jpg", 1, 1), Record("b.jpg", 1, 2)]
    [problem] = find_problems(ReidDataset("x", query=query, gallery=gallery))
    assert problem == "query: 1 image is in the gallery too, left out there in a search for the same file"
