"""Held-out people are drawn into batches as the sampler draws, the same ones each time, and their losses are averaged."""

from __future__ import annotations

import pytest
import torch

from resight.data.samplers import TripletSampler
from resight.engine.weighted_losses import WeightedLosses
from resight.losses import LOSSES
from resight.records import Record
from resight.tasks.reid.held_out import DrawnBatch, HeldOut, defined_terms, told_terms

TRIPLETS = "sampler={name: random-triplets, batch_size: 4}"


def people(count: int, images: int = 4) -> list[Record]:
    return [Record(f"{who}_{n}.jpg", 100 + who, n % 2 + 1) for n in range(images) for who in range(count)]


def test_the_batches_are_those_of_the_samplers_first_epoch(tiny) -> None:
    records = people(3)
    held_out = HeldOut(tiny(TRIPLETS, "seed=5"), records)
    expected = TripletSampler([record.identity for record in records], batch_size=4, seed=5)
    assert held_out.drawn == [[draw.index for draw in batch] for batch in expected]
    first, again = (list(held_out.batches(range(12))) for _ in range(2))
    assert all(torch.equal(one.rows, other.rows) for one, other in zip(first, again, strict=True))
    for batch in first:
        anchors, positives, negatives = batch.ids.view(-1, 3).unbind(1)
        assert (anchors == positives).all()
        assert (anchors != negatives).all()
        assert batch.cameras.tolist() == [records[row].camera for row in batch.rows]


def test_images_that_were_not_looked_at_are_missing_from_the_batches(tiny) -> None:
    held_out = HeldOut(tiny(TRIPLETS), people(3))
    positions = [place for place in range(12) if place != 5]
    for drawn, batch in zip(held_out.drawn, held_out.batches(positions), strict=True):
        assert [positions[row] for row in batch.rows] == [place for place in drawn if place != 5]
        assert batch.places.tolist() == [place for place, position in enumerate(drawn) if position != 5]


def test_few_people_make_smaller_batches_and_one_alone_none(tiny) -> None:
    wanted = "sampler={name: identities, identities: 16, images: 2}"
    assert {len(batch) for batch in HeldOut(tiny(wanted), people(5)).drawn} == {4 * 2}, "four of the five"
    assert HeldOut(tiny(wanted), people(1)).drawn == []
    assert HeldOut(tiny(TRIPLETS), []).drawn == []
    assert HeldOut(tiny(TRIPLETS), [*people(3), Record("x.jpg")]).drawn == [], "not everybody is known"


def test_junk_is_drawn_in_training_alone(tiny) -> None:
    items = "sampler={name: items, items: 1, junk: 3}"
    assert {len(batch) for batch in HeldOut(tiny(items), people(3)).drawn} == {12}


def test_the_mean_is_over_the_batches_that_have_a_value(tiny) -> None:
    held_out = HeldOut(tiny(TRIPLETS, "seed=1"), people(3))
    before = torch.get_rng_state()
    lots: list[float] = []

    def values(batch: DrawnBatch) -> dict[str, torch.Tensor]:
        lots.append(float(torch.rand(())))
        only_first = {"once": torch.tensor(7.0)} if len(lots) % 3 == 1 else {}
        return {"rows": batch.rows.float().mean(), **only_first}

    found = held_out.mean(range(12), values)
    assert found["once"] == 7
    means = [sum(batch) / len(batch) for batch in held_out.drawn]
    assert found["rows"] == pytest.approx(sum(means) / 3)
    held_out.mean(range(12), values)
    assert lots[:3] == lots[3:], "random mining draws the same"
    assert torch.equal(torch.get_rng_state(), before), "and training draws on as if there were no validation"


def test_terms_are_said() -> None:
    sections: dict = {"triplet": {}, "identity": {}, "centre": {}}
    losses = WeightedLosses(sections, LOSSES, num_classes=3, dim=4)
    assert list(defined_terms(losses)) == ["triplet"]
    assert told_terms(["triplet"], [*losses]) == (
        "val/loss is triplet of the people held out; identity and centre would need the identities trained on"
    )
    assert told_terms([], ["identity"]) == "no val/loss: people held out have no identity"
    assert "too few people for a batch" in told_terms(["triplet"], [*losses], drawn=False)
