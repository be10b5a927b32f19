"""Images to embeddings: every readable image once, in order, and files of them back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from resight.embedding import embed, load_embeddings, pieces
from resight.errors import DataError
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

    def in_bulk(self: Recognizer, images: torch.Tensor, count: int, records: Sequence[Record]) -> Recognizer:
        assert records == crowd.gallery
        asked.append((len(images), count))
        return self._as(Way("32"), images)

    plain = embed(person, crowd.gallery).embeddings.features
    monkeypatch.setattr(Recognizer, "in_bulk", in_bulk)
    assert np.array_equal(embed(person, crowd.gallery).embeddings.features, plain), "few are not read twice to find out"
    monkeypatch.setattr("resight.embedding.BULK", 0)
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
