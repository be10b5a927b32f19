from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resight.data.attributes import MARKET_SCHEMA, VERI_SCHEMA
from resight.data.summary import find_problems
from resight.data.union import join_datasets, read_datasets
from resight.errors import DataError
from resight.records import (
    DISTRACTOR,
    JUNK,
    NO_CAMERA,
    UNLABELLED,
    AttributeSchema,
    Record,
    ReidDataset,
    Relevance,
)
from tests.support.layouts import TARGETS, write_market_mat


def test_numbers_of_different_datasets_never_meet(market: Path, veri: Path, course: Path) -> None:
    write_market_mat(market / "market_attribute.mat", {2: TARGETS, 7: TARGETS}, {1: TARGETS, 3: TARGETS})
    specs = [f"market1501:{market}", f"veri776:{veri}", f"course:{course}"]
    parts = [read_datasets([spec]) for spec in specs]
    joined = read_datasets(specs)
    assert joined.name == "market1501+veri776+course"
    owners: dict[tuple[str, int], set[int]] = {}
    for split, records in joined.splits.items():
        sources = [record for part in parts for record in part.splits[split]]
        numbers = [number for number, part in enumerate(parts) for _ in part.splits[split]]
        for record, source, number in zip(records, sources, numbers, strict=True):
            assert (record.path, record.frame, record.attributes) == (
                source.path,
                source.frame,
                source.attributes,
            )
            if source.identity >= 1:
                owners.setdefault(("identity", record.identity), set()).add(number * 1000 + source.identity)
            else:
                assert record.identity == source.identity
            if source.camera >= 0:
                owners.setdefault(("camera", record.camera), set()).add(number * 1000 + source.camera)
            else:
                assert record.camera == NO_CAMERA
    assert all(len(found) == 1 for found in owners.values())
    assert joined.train[0].identity == parts[0].train[0].identity
    assert joined.schema.classes == {**MARKET_SCHEMA.classes, **VERI_SCHEMA.classes}
    assert joined.relevance is None
    assert joined.protocol == "market1501"


def test_union_of_datasets_with_and_without_cameras(msmt: Path, vehicleid: Path, veriwild: Path, veri: Path) -> None:
    joined = read_datasets([f"msmt17-trainval:{msmt}", f"vehicleid:{vehicleid}", str(veriwild), str(veri)])
    parts = [read_datasets([str(path)]) for path in (msmt, vehicleid, veriwild, veri)]
    assert joined.name == "msmt17+vehicleid+veriwild+veri776"
    homes = {}
    for record in joined:
        home = next(number for number, root in enumerate((msmt, vehicleid, veriwild, veri)) if str(root) in record.path)
        assert homes.setdefault(("identity", record.identity), home) == home
        if record.camera != NO_CAMERA:
            assert homes.setdefault(("camera", record.camera), home) == home
    assert sum(kind == "identity" for kind, _ in homes) == sum(
        len({record.identity for record in part}) for part in parts
    )
    # Images whose camera nobody told are ruled out by none, so one protocol does for all of them.
    assert joined.protocol == "market1501"
    assert {record.camera for record in joined.query if str(vehicleid) in record.path} == {NO_CAMERA}
    assert not any("share" in problem for problem in find_problems(joined))
    # Colours mean the same in all of them.
    assert {"red", "white", "gray"} <= set(joined.schema.classes["color"])
    assert len(joined.schema.classes["color"]) == len(VERI_SCHEMA.classes["color"])


def test_camera_zero_and_sparse_identities() -> None:
    first = ReidDataset("a", train=[Record("a.jpg", 900, 0), Record("b.jpg", 5, 3)])
    second = ReidDataset("b", train=[Record("c.jpg", 700, 0), Record("d.jpg", 702)], gallery=[Record("e.jpg", JUNK, 2)])
    third = ReidDataset("c", gallery=[Record("f.jpg", DISTRACTOR, 1), Record("g.jpg", UNLABELLED)])
    joined = join_datasets([first, second, third])
    assert [(r.identity, r.camera) for r in joined.train] == [(900, 0), (5, 3), (901, 4), (903, NO_CAMERA)]
    assert [(r.identity, r.camera) for r in joined.gallery] == [
        (JUNK, 6),
        (DISTRACTOR, 7),
        (UNLABELLED, NO_CAMERA),
    ]


def test_shared_attributes_keep_the_first_ones_numbering() -> None:
    first = ReidDataset("a", schema=AttributeSchema({"color": ("red", "blue"), "hat": ("no", "yes")}))
    second = ReidDataset("b", schema=AttributeSchema({"color": ("green", "red"), "type": ("bus",)}))
    assert join_datasets([first, second]).schema.classes == {
        "color": ("red", "blue", "green"), "hat": ("no", "yes"), "type": ("bus",),
    }  # fmt: skip


def test_explicit_answers_follow_their_gallery() -> None:
    def dataset(size: int, good: list[int], junk: list[int]) -> ReidDataset:
        return ReidDataset(
            "x",
            query=[Record("q.jpg", 1)],
            gallery=[Record(f"{number}.jpg", 1) for number in range(size)],
            relevance=Relevance([np.array(good)], [np.array(junk)]),
        )

    plain = ReidDataset("train only", train=[Record("a.jpg", 1)], gallery=[Record("z.jpg", 0)])
    joined = join_datasets([dataset(3, [0, 2], [1]), plain, dataset(2, [1], [])])
    assert joined.relevance is not None
    assert [found.tolist() for found in joined.relevance.good] == [[0, 2], [5]]
    assert [found.tolist() for found in joined.relevance.junk] == [[1], []]
    searched = ReidDataset("no answers", query=[Record("q.jpg", 1)])
    assert join_datasets([dataset(3, [0], []), searched]).relevance is None


def test_one_dataset_stays_itself_and_none_is_refused() -> None:
    dataset = ReidDataset("a", train=[Record("a.jpg", 4)])
    assert join_datasets([dataset]) is dataset
    with pytest.raises(DataError, match="no dataset given"):
        join_datasets([])
