"""Attributes as numbers: which are learned, what each image has, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from resight.data.targets import check_learnable, class_counts, encode, junk_targets, target_schema, weak_images
from resight.errors import DataError
from resight.records import JUNK, AttributeSchema, Record, ReidDataset

SCHEMA = AttributeSchema({"hat": ("no", "yes"), "top": ("red", "blue", "multi")})


def person(identity: int, hat: str, top: str, camera: int = 1) -> Record:
    return Record(f"{identity}.jpg", identity, camera, attributes={"hat": hat, "top": top})


CROWD = ReidDataset("crowd", train=[person(1, "no", "red"), person(2, "yes", "blue", 4)], schema=SCHEMA)


def test_the_schema_is_the_datas_own_and_what_is_asked_for_besides() -> None:
    assert target_schema(CROWD) == SCHEMA
    asked = target_schema(CROWD, names=["top"], cameras=[4, 6], junk=True)
    assert asked.names == ("top", "camera-4", "camera-6", "junk")
    given = target_schema(CROWD, classes={"top": ["blue", "red"], "shoes": ["no", "yes"]})
    assert given.classes["top"] == ("blue", "red")
    assert "shoes" in given.names
    with pytest.raises(DataError, match="crowd has no attribute shoes; it has: hat, top"):
        target_schema(CROWD, names=["shoes"])
    with pytest.raises(DataError, match="has no attributes to learn"):
        target_schema(ReidDataset("bare", train=[Record("a.jpg", 1)]))


def test_numbers_follow_the_schema_and_the_unknown_is_minus_one() -> None:
    schema = target_schema(CROWD, cameras=[4], junk=True)
    records = [*CROWD.train, Record("c.jpg", 3), Record("d.jpg", JUNK, 4)]
    assert encode(records, schema).tolist() == [[0, 0, 0, 0], [1, 1, 1, 0], [-1, -1, -1, 0], [-1, -1, 1, 1]]
    assert class_counts(encode(records, schema), schema) == [[1, 1], [1, 1, 0], [1, 2], [3, 1]]


def test_an_unknown_value_names_image_attribute_and_classes() -> None:
    with pytest.raises(DataError, match=r"9\.jpg: top is 'mauve'; its classes are red, blue, multi"):
        encode([person(9, "no", "mauve")], SCHEMA)


def test_one_class_only_is_refused_with_the_remedy() -> None:
    same = [person(1, "no", "red"), person(2, "no", "blue")]
    with pytest.raises(DataError, match=r"attribute hat has only 'no' in here.*attributes\.names=\[top\]"):
        check_learnable(encode(same, SCHEMA), SCHEMA, "here")
    far = target_schema(CROWD, cameras=[7])
    with pytest.raises(DataError, match=r"camera-7 has only 'no' in here.*attributes\.cameras=\[\]"):
        check_learnable(encode(CROWD.train, far), far, "here")
    check_learnable(encode(CROWD.train, SCHEMA), SCHEMA, "here")


def test_junk_is_of_the_same_camera_and_nobody() -> None:
    schema = target_schema(CROWD, cameras=[4], junk=True)
    assert junk_targets(encode(CROWD.train, schema), schema).tolist() == [[-1, -1, 0, 1], [-1, -1, 1, 1]]


def test_weak_images_have_a_class_of_few_people() -> None:
    people = [person(i, "yes" if i == 3 else "no", "red" if i % 2 else "blue") for i in range(1, 11) for _ in range(3)]
    ids = np.array([record.identity for record in people])
    weak = weak_images(encode(people, SCHEMA), ids, fewest=3)
    assert {people[position].identity for position in weak} == {3}
    assert len(weak) == 3
