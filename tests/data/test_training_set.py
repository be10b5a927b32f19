"""What a recipe makes of a training split: who trains, who is held out, what is left out and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from resight.data.training_set import divide
from resight.errors import DataError, RecipeError
from resight.recipe import load_recipe
from resight.records import DISTRACTOR, JUNK, UNLABELLED, AttributeSchema, Record, ReidDataset

HATS = AttributeSchema({"hat": ("no", "yes")})
PLAIN = ["attributes.cameras=[]", "attributes.junk=false"]
"""The dataset's own attributes alone, without Bruna's further targets."""


def street(identities: int = 20, **attributes: str) -> list[Record]:
    """Four images of each identity, two in each of two cameras."""
    return [
        Record(f"{who:04d}_{shot}.jpg", who, camera=1 + shot % 2, attributes=attributes)
        for who in range(1, identities + 1)
        for shot in range(4)
    ]


def hatted(identities: int = 20) -> ReidDataset:
    """Every second identity has a hat."""
    records = [
        Record(record.path, record.identity, record.camera, attributes={"hat": ("no", "yes")[record.identity % 2]})
        for record in street(identities)
    ]
    return ReidDataset("street", train=records, schema=HATS)


def test_all_identities_train_unless_some_are_held_out() -> None:
    recipe = load_recipe("reid-strong-baseline")
    whole = divide(recipe, ReidDataset("street", train=street()), {"identities"})
    assert whole.fitted == street()
    assert not whole.query
    assert not whole.gallery
    assert whole.classes == 20
    assert whole.targets.shape == (80, 0)


def test_a_fifth_of_the_identities_is_held_out_as_queries_and_gallery() -> None:
    recipe = load_recipe("reid-strong-baseline", ["validation.ratio=0.2"])
    found = divide(recipe, ReidDataset("street", train=street()), {"identities"})
    held = [*found.query, *found.gallery]
    assert found.classes == 16
    assert len({record.identity for record in held}) == 4
    assert not {record.identity for record in held} & {record.identity for record in found.fitted}
    assert sorted(record.path for record in [*found.fitted, *held]) == [record.path for record in street()]
    assert {record.identity for record in found.query} == {record.identity for record in found.gallery}
    again = divide(recipe, ReidDataset("street", train=street()), {"identities"})
    assert again.fitted == found.fitted, "the recipe's seed decides"
    assert found.validation == held, "queries first"
    known = sorted({record.identity for record in found.fitted})
    assert [known[label] for label in found.labels] == [record.identity for record in found.fitted]
    assert found.learns == {"identities"}


def test_images_without_an_identity_are_left_out_and_counted() -> None:
    strangers = [Record(f"{kind}.jpg", kind) for kind in (JUNK, DISTRACTOR, UNLABELLED)]
    told: list[str] = []
    dataset = ReidDataset("street", train=[*street(), *strangers])
    found = divide(load_recipe("reid-strong-baseline"), dataset, {"identities"}, told.append)
    assert found.fitted == street()
    assert len(told) == 1
    assert "street: 3 training images without an identity left out" in told[0]


def test_a_system_that_learns_from_pixels_alone_takes_every_image() -> None:
    unlabelled = [Record(f"{number}.jpg") for number in range(50)]
    told: list[str] = []
    recipe = load_recipe("reid-vae", ["validation.ratio=0.2"])
    found = divide(recipe, ReidDataset("pixels", train=unlabelled), frozenset(), told.append)
    assert (len(found.fitted), len(found.query), len(found.gallery)) == (40, 0, 10)
    assert not told


def test_attributes_become_class_numbers_of_the_images_that_train() -> None:
    recipe = load_recipe("attributes-resnet18", [*PLAIN, "validation.ratio=0.2"])
    found = divide(recipe, hatted(), {"identities", "attributes"})
    assert found.schema == HATS
    assert found.targets[:, 0].tolist() == [record.identity % 2 for record in found.fitted]
    assert found.class_counts == [[8 * 4, 8 * 4]]
    assert found.learns == {"identities", "attributes"}
    hats = {record.identity for record in [*found.query, *found.gallery] if record.attributes["hat"] == "yes"}
    assert len(hats) == 2, "half of the four that are held out, as in the whole"


def test_identities_without_attributes_are_left_out_and_named() -> None:
    bare = [Record(f"bare{who}.jpg", who) for who in range(31, 38)]
    told: list[str] = []
    dataset = ReidDataset("street", train=[*hatted().train, *bare], schema=HATS)
    recipe = load_recipe("attributes-resnet18", [*PLAIN, "validation.ratio=0"])
    found = divide(recipe, dataset, {"attributes"}, told.append)
    assert found.fitted == list(hatted().train)
    assert len(told) == 1
    assert "7 identities without attributes left out: 31, 32, 33, 34, 35, …" in told[0]


def test_what_is_missing_is_said_before_anything_trains() -> None:
    plain, attributes = load_recipe("reid-strong-baseline"), load_recipe("attributes-resnet18", PLAIN)
    with pytest.raises(DataError, match="street has no training split; see it with"):
        divide(plain, ReidDataset("street", query=street()), {"identities"})
    with pytest.raises(DataError, match="street has no training split with identities"):
        divide(plain, ReidDataset("street", train=[Record("a.jpg")]), {"identities"})
    with pytest.raises(DataError, match="street has no attributes to learn"):
        divide(attributes, ReidDataset("street", train=street()), {"attributes"})
    with pytest.raises(DataError, match="none of its training identities is annotated"):
        divide(attributes, ReidDataset("street", train=street(), schema=HATS), {"attributes"})
    with pytest.raises(DataError, match="attribute hat has only 'no' in the training split of street"):
        divide(attributes, ReidDataset("street", train=street(hat="no"), schema=HATS), {"attributes"})
    with pytest.raises(DataError, match="hat is '3'; its classes are no, yes"):
        divide(attributes, ReidDataset("street", train=street(hat="3"), schema=HATS), {"attributes"})
    with pytest.raises(DataError, match="street has no attribute shoes"):
        divide(load_recipe("attributes-resnet18", [*PLAIN, "attributes.names=[shoes]"]), hatted(), {"attributes"})
    with pytest.raises(RecipeError, match="learns none; leave the section out"):
        divide(load_recipe("reid-strong-baseline", ["attributes.junk=true"]), hatted(), {"identities"})


def test_training_without_masks_says_what_is_missing() -> None:
    dataset = ReidDataset("street", train=[Record("a.jpg", mask="a.png"), Record("bare.jpg")])
    with pytest.raises(DataError, match=r"street: 1 training image has no mask \(the first: bare.jpg\); give masks:"):
        divide(load_recipe("segmentation-unet"), dataset, {"masks"})


def test_the_digest_tells_images_identities_and_class_numbers_apart_and_no_folders() -> None:
    recipe = load_recipe("reid-strong-baseline", ["validation.ratio=0.2"])

    def digest(records: list[Record]) -> str:
        return divide(recipe, ReidDataset("street", train=records), {"identities"}).digest

    whole = street()
    same = digest(whole)
    assert same == digest([replace(record, path=f"/moved/{record.path}") for record in whole])
    renamed = [replace(record, identity=99) if record.identity == 1 else record for record in whole]
    others = [replace(record, path=f"other-{record.path}") for record in whole]
    swapped = [replace(record, identity={1: 2, 2: 1}.get(record.identity, record.identity)) for record in whole]
    raw = [replace(record, path=f"\udcfc{record.path}") for record in whole]
    assert len({same, *map(digest, (renamed, others, swapped, raw))}) == 5


def test_the_digest_tells_a_file_that_was_replaced_by_another_of_its_name(tmp_path: Path) -> None:
    records = []
    for identity, name in enumerate("ab", start=1):
        (tmp_path / f"{name}.jpg").write_bytes(b"\0" * 9 * identity)
        records.append(Record(str(tmp_path / f"{name}.jpg"), identity=identity, mask=str(tmp_path / "mask.png")))
    recipe = load_recipe("reid-strong-baseline", ["validation.ratio=0"])
    found = divide(recipe, ReidDataset("street", train=records), {"identities"})
    masked = divide(
        load_recipe("segmentation-unet", ["validation.ratio=0"]), ReidDataset("x", train=records), {"masks"}
    )
    then, then_masked = found.digest, masked.digest
    (tmp_path / "mask.png").write_bytes(b"\0")
    assert found.has_digest(then)
    assert not masked.has_digest(then_masked)
    (tmp_path / "a.jpg").write_bytes(b"\0" * 8)
    assert not found.has_digest(then)
    # What versions that looked at no sizes have kept: names, identities, and class numbers.
    assert found.has_digest(hashlib.sha256(b"a.jpg\t1\t0\nb.jpg\t2\t1").hexdigest())
    assert not found.has_digest(hashlib.sha256(b"a.jpg\t1\t1\nb.jpg\t2\t0").hexdigest())


def test_the_digest_tells_what_is_learned_of_each_image() -> None:
    recipe = load_recipe("attributes-multihead", [*PLAIN, "validation.ratio=0"])
    data = hatted()
    changed = [replace(data.train[0], attributes={"hat": "yes" if data.train[0].identity % 2 == 0 else "no"})]
    other = replace(data, train=[*changed, *data.train[1:]])
    assert divide(recipe, data, {"attributes"}).digest != divide(recipe, other, {"attributes"}).digest
