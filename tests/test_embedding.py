"""Images to embeddings: every readable image once, in order, and files of them back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import resight.embedding
from resight.embedding import _computed_as, embed, in_bulk, inexactness, load_embeddings, pieces
from resight.errors import DataError, OptionError
from resight.machine import Way
from resight.recipe import Recipe
from resight.recognizer import Recognizer, load
from resight.records import AttributeSchema, Record, ReidDataset
from resight.run import build_model
from tests.support.images import corrupt
from tests.support.legacy import LEGACY, legacy_street

HATS = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old")})


@pytest.fixture(scope="module")
def person(tiny: Callable[..., Recipe]) -> Recognizer:
    torch.manual_seed(0)
    recipe = tiny("loader.batch_size=3")
    return Recognizer(build_model(recipe, 3), recipe, device="cpu")


@pytest.fixture(scope="module")
def bruna(tiny: Callable[..., Recipe]) -> Recognizer:
    torch.manual_seed(0)
    recipe = tiny("loader.batch_size=3", "model.dim=6", recipe="reid-bruna")
    return Recognizer(build_model(recipe, 3, HATS), recipe, HATS, "cpu")


def test_records_and_paths_are_embedded_in_order_and_what_cannot_be_read_is_named(
    person: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    readable, bad = crowd.query[:2] + crowd.gallery[:3], corrupt(tmp_path / "bad.jpg")
    images = [readable[0], bad, readable[1].path, *readable[2:]]
    told: list[int] = []
    embeddings, failed = embed(person, images, progress=told.append)
    assert list(embeddings.records) == [readable[0], Record(readable[1].path), *readable[2:]]
    np.testing.assert_allclose(embeddings.features, person.embed([record.path for record in readable]), atol=1e-5)
    assert embeddings.attributes is None
    assert len(failed) == 1
    assert "bad.jpg" in failed[0]
    assert sum(told) == len(images)
    with pytest.raises(DataError, match=r"the image could not be read: .*bad\.jpg"):
        embed(person, [bad])


def test_attributes_come_along_where_the_metric_weighs_them(bruna: Recognizer, crowd: ReidDataset) -> None:
    embeddings, _ = embed(bruna, crowd.query)
    seen = bruna.recognise([record.path for record in crowd.query])
    assert embeddings.features.shape == (len(crowd.query), 6)
    np.testing.assert_allclose(embeddings.attributes, np.concatenate([seen["hat"], seen["age"]], axis=1), atol=1e-5)


def test_a_file_of_embeddings_comes_back_for_its_model(
    bruna: Recognizer, person: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    made, _ = embed(bruna, crowd.query)
    made.save(tmp_path / "f.parquet")
    again = load_embeddings(bruna, tmp_path / "f.parquet")
    np.testing.assert_array_equal(again.features, made.features)
    np.testing.assert_array_equal(again.attributes, made.attributes)
    with pytest.raises(
        DataError, match=rf"f\.parquet holds features of 6 numbers, this run makes {person.width}: .* anew"
    ):
        load_embeddings(person, tmp_path / "f.parquet")


def test_probabilities_behind_the_features_of_an_older_file_are_taken_apart() -> None:
    model, file = load(LEGACY / "runs" / "bruna", "cpu"), LEGACY / "features.parquet"
    embeddings = load_embeddings(model, file)
    images = legacy_street().gallery
    assert [Path(record.path).name for record in embeddings.records] == [Path(record.path).name for record in images]
    now, _ = embed(model, images)
    np.testing.assert_allclose(embeddings.features, now.features, atol=1e-5)
    np.testing.assert_allclose(embeddings.attributes, now.attributes, atol=1e-5)
    with pytest.raises(DataError, match="holds features of 22 numbers, this run makes 4: another model made them"):
        load_embeddings(load(LEGACY / "runs" / "vae", "cpu"), file)


def test_many_images_are_embedded_as_the_first_batch_decides(
    person: Recognizer, crowd: ReidDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def in_bulk(model: Recognizer, images: torch.Tensor, count: int, records: Sequence[Record]) -> Recognizer:
        assert records == crowd.gallery
        asked.append((len(images), count))
        return _computed_as(model, Way("32"), images)

    plain = embed(person, crowd.gallery).embeddings.features
    monkeypatch.setattr("resight.embedding.in_bulk", in_bulk)
    assert np.array_equal(embed(person, crowd.gallery).embeddings.features, plain), "few are not read twice to find out"
    monkeypatch.setattr("resight.embedding._BULK", 0)
    folded = embed(person, crowd.gallery).embeddings.features
    assert asked == [(3, len(crowd.gallery))]
    np.testing.assert_allclose(folded, plain, atol=1e-5)
    assert not np.array_equal(folded, plain)


def test_pieces_are_the_whole_in_order(tiny: Callable[..., Recipe], crowd: ReidDataset, tmp_path: Path) -> None:
    recipe = tiny("loader.batch_size=8")
    model = Recognizer(build_model(recipe, 3), recipe, device="cpu")
    records = [*crowd.train[:20], Record(corrupt(tmp_path / "bad.jpg")), *crowd.train[20:]]
    done: list[int] = []
    found = list(pieces(model, records, size=16, progress=done.append))
    whole = embed(model, records)
    assert [len(piece.embeddings) for piece in found] == [16, 15, 16, 1]
    assert sum(done) == len(records)
    assert [record for piece in found for record in piece.embeddings.records] == list(whole.embeddings.records)
    assert [line for piece in found for line in piece.failed] == whole.failed
    features = np.concatenate([piece.embeddings.features for piece in found])
    np.testing.assert_allclose(features, whole.embeddings.features, atol=1e-6)
    (none,) = pieces(model, [records[20]])
    assert (none.embeddings.features.shape, len(none.failed)) == ((0, model.width), 1)


MANY = torch.from_numpy(
    np.random.default_rng(0).integers(0, 255, (40, 3, 2, 2), dtype=np.uint8).repeat(16, axis=2).repeat(16, axis=3)
)
"""Images of four coloured squares, which differ as images do."""


@pytest.fixture
def wide(tiny: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    """A model of images so wide that bfloat16 computes them, on a processor that has it."""
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: True, raising=False)
    torch.manual_seed(0)
    recipe = tiny("image.width=32", recipe="reid-strong-baseline")
    return Recognizer(build_model(recipe, 3), recipe, device="cpu")


def slower(monkeypatch: pytest.MonkeyPatch, *precisions: str) -> None:
    """Have batches of these precisions take a second more, by the clock."""
    now = [0.0]
    own = resight.embedding._timed

    def timed(model: Recognizer, images: torch.Tensor) -> None:
        own(model, images)
        now[0] += 2.0 if model.way.precision in precisions else 1.0

    monkeypatch.setattr("resight.embedding._timed", timed)
    monkeypatch.setattr("resight.embedding.clock", lambda: now[0])


@pytest.mark.parametrize("slow", ["32", "bf16"])
def test_many_images_are_embedded_in_the_fastest_precision(
    slow: str, wide: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower(monkeypatch, slow)
    lines: list[str] = []
    wide.tell = lines.append
    bulk = in_bulk(wide, MANY, 100_000)
    assert bulk.way.precision == ("bf16" if slow == "32" else "32")
    exact = wide.embed_batch(MANY)[0]
    features = bulk.embed_batch(MANY)[0]
    assert features.dtype == np.float32
    assert 0 < inexactness(torch.from_numpy(features), torch.from_numpy(exact)) < 1e-3
    assert lines[0].startswith(f"embedding in {bulk.way}: measured, a batch of 16 images takes ")
    assert in_bulk(wide, MANY, 100_000).way == bulk.way
    assert "measured here before" in lines[1]
    assert np.array_equal(wide.embed_batch(MANY)[0], exact), "the model itself is as it was"


def test_workers_are_measured_on_the_records_themselves(wide: Recognizer, crowd: ReidDataset, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seen: list[int] = []

    def one_wins(way: Way, load, compute, most: int, clock) -> object:  # type: ignore[no-untyped-def]
        for _, batch in zip(range(3), load(0), strict=False):
            compute(batch)
            seen.extend(batch.index.tolist())
        return replace(way, workers=1), {replace(way, workers=count): 4.0 for count in (0, 1)}

    monkeypatch.setattr("resight.embedding.fewest_workers", one_wins)
    slower(monkeypatch, "32")
    lines: list[str] = []
    wide.recipe.loader.workers, wide.recipe.loader.batch_size, wide.tell = "auto", 32, lines.append
    for _ in range(2):
        assert in_bulk(wide, MANY, 100_000, crowd.train).way.workers == 1
    assert seen == [*range(48), *range(32)], "once, and over again where there are few"
    assert ", 1 worker 2.00 s" in lines[0], "of 16 images, as the others"
    wide.recipe.loader.workers = 0
    assert in_bulk(wide, MANY, 100_000, crowd.train).way.workers is None


def test_few_images_are_embedded_by_the_model_itself(wide: Recognizer) -> None:
    assert in_bulk(wide, MANY, 1000) is wide


def test_a_precision_that_is_too_inexact_is_not_taken(wide: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    slower(monkeypatch, "32")
    own = Recognizer.compare

    def spoiled(self: Recognizer, images: torch.Tensor):  # type: ignore[no-untyped-def]
        features, attributes = own(self, images)
        return features + 0.05 * torch.randn_like(features) * (self.way.precision != "32"), attributes

    monkeypatch.setattr(Recognizer, "compare", spoiled)
    lines: list[str] = []
    wide.tell = lines.append
    assert in_bulk(wide, MANY, 100_000).way.precision == "32"
    assert "bfloat16, channels last too inexact" in lines[0]


def test_the_environment_may_name_the_precision(wide: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIGHT_PRECISION", "32")
    assert in_bulk(wide, MANY, 100_000) is wide
    monkeypatch.setenv("RESIGHT_PRECISION", "bf16")
    assert in_bulk(wide, MANY, 1).way == Way("bf16")
    monkeypatch.setenv("RESIGHT_PRECISION", "8")
    with pytest.raises(OptionError, match="RESIGHT_PRECISION=8: it is auto, 32, bf16 or 16"):
        in_bulk(wide, MANY, 1)


def test_inexactness_is_the_error_beside_the_spread() -> None:
    exact = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    assert inexactness(exact, exact) == 0
    assert inexactness(exact + torch.tensor([0.2, 0.0]), exact) == pytest.approx(0.04 / 2)
    assert inexactness(exact * float("nan"), exact) == float("inf")
