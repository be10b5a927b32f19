"""What leaves a gallery comes back equal, whichever engine keeps it; what does not fit is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch

from resight.data.formats import read_dataset
from resight.embedding import load_embeddings
from resight.errors import DataError
from resight.gallery import Gallery, transfer
from resight.gallery.transfer import (
    export_features,
    export_manifest,
    export_table,
    gallery_for,
    import_into,
    source_of,
)
from resight.recognizer import Recognizer, load
from resight.records import Embeddings, Record, ReidDataset
from resight.run import Run


@pytest.fixture(scope="module")
def model(trained: Run) -> Recognizer:
    return load(trained.folder)


@pytest.fixture
def gallery(model: Recognizer, crowd: ReidDataset, tmp_path: Path) -> Gallery:
    """With a time, an attribute, and columns of users' own of every kind."""
    records = [replace(one, time=1000 * place, attributes={"up": "red"}) for place, one in enumerate(crowd.gallery)]
    made = Gallery.create(tmp_path / "gallery", model=model)
    made.add(records)
    first = made.ids()[:3]
    made.update(first, {"name": "Ann, B", "visits": 3, "share": 0.5, "known": True})
    return made


def everything(gallery: Gallery) -> dict[int, dict[str, object]]:
    return {row["id"]: row for batch in gallery.rows() for row in batch.to_pylist()}


@pytest.fixture(params=["folder", "server"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no gallery yet, of either engine."""
    if request.param == "folder":
        return str(tmp_path / "copy")
    server = request.getfixturevalue("server")
    return server.address(f"copy of {tmp_path.name}")


def test_a_gallery_is_equal_after_a_file_and_after_a_copy(gallery: Gallery, elsewhere: str, tmp_path: Path) -> None:
    file = tmp_path / "features.parquet"
    assert export_features(gallery, file) == len(gallery)
    for place in (str(file), gallery.where):
        source = source_of(place)
        copy = gallery_for(source, elsewhere)
        assert import_into(copy, source) == len(source) == len(gallery)
        assert everything(Gallery.open(elsewhere)) == everything(gallery)
    assert copy.schema.kinds.items() >= gallery.schema.kinds.items()
    assert dict(copy.facts) == dict(gallery.facts)
    back = gallery_for(source_of(elsewhere), str(tmp_path / "back"))
    import_into(back, source_of(elsewhere))
    assert everything(back) == everything(gallery)


def test_columns_may_be_called_as_those_of_the_files(gallery: Gallery, tmp_path: Path) -> None:
    gallery.update(
        gallery.ids()[:3], {"feature": "limps", "attributes": "few", "split": "train", "tracklet_members": "two"}
    )
    file, table = tmp_path / "features.parquet", tmp_path / "dataset.csv"
    export_features(gallery, file)
    copy = gallery_for(source_of(str(file)), str(tmp_path / "copy"))
    import_into(copy, source_of(str(file)))
    assert everything(copy) == everything(gallery)
    export_manifest(gallery, table)
    assert len(read_dataset(f"manifest:{table}").gallery) == len(gallery)


def test_a_condition_and_others_read_the_file(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "features.parquet"
    assert export_features(gallery, file, {"name": "Ann, B"}) == 3
    found = Embeddings.load(file)
    ids = gallery.ids({"name": "Ann, B"})
    order = np.argsort([record.path for record in gallery.fetch(ids)])
    mine = np.argsort([record.path for record in found.records])
    np.testing.assert_array_equal(found.features[mine], gallery.features(ids)[order])
    with pytest.raises(DataError, match="no image fulfils the condition"):
        export_features(gallery, tmp_path / "none.parquet", {"camera": 99})
    assert not (tmp_path / "none.parquet").exists()


def test_tables_for_people_and_for_training(gallery: Gallery, tmp_path: Path) -> None:
    assert export_table(gallery, tmp_path / "all.csv") == len(gallery)
    with open(tmp_path / "all.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["name"] == "Ann, B" for row in rows) == 3
    assert {row["time"] for row in rows} >= {"1970-01-01T00:00:02.000"}
    assert "file" not in rows[0]
    assert export_manifest(gallery, tmp_path / "set.csv") == len(gallery)
    read = read_dataset(f"manifest:{tmp_path / 'set.csv'}")
    assert {(r.path, r.identity, r.camera, r.time) for r in read.gallery} == {
        (r.path, r.identity, r.camera, r.time) for r in gallery.records
    }
    assert {r.attributes["up"] for r in read.gallery} == {"red"}


def test_features_that_do_not_say_whose_they_are_need_a_model(
    model: Recognizer, crowd: ReidDataset, tmp_path: Path
) -> None:
    file = tmp_path / "f.parquet"
    made = Embeddings(model.embed([record.path for record in crowd.train]), crowd.train)
    made.save(file)
    with pytest.raises(DataError, match="does not say which model made it; give its run: --model RUN"):
        gallery_for(source_of(str(file)), str(tmp_path / "gallery"))
    gallery = gallery_for(source_of(str(file)), str(tmp_path / "gallery"), model)
    assert not (tmp_path / "gallery").exists()
    import_into(gallery, source_of(str(file)))
    assert sorted(gallery.paths()) == sorted(record.path for record in crowd.train)
    with pytest.raises(DataError, match="does not say which model made it"):
        gallery_for(source_of(str(file)), str(tmp_path / "gallery"))
    narrow = tmp_path / "narrow.parquet"
    Embeddings(made.features[:, :3], crowd.train).save(narrow)
    with pytest.raises(DataError, match="these have 3: another model made them"):
        import_into(gallery, source_of(str(narrow)))


def test_embeddings_of_two_models_do_not_meet(
    gallery: Gallery, trained: Run, crowd: ReidDataset, tmp_path: Path
) -> None:
    import shutil

    other = shutil.copytree(trained.folder, tmp_path / "other")
    weights = safetensors.torch.load_file(other / "model.safetensors")
    weights[min(weights)] += 0.001
    safetensors.torch.save_file(weights, other / "model.safetensors")
    stranger = Gallery.create(tmp_path / "stranger", model=other)
    stranger.add(crowd.train[:3])
    with pytest.raises(DataError, match="holds embeddings of another model than"):
        gallery_for(source_of(stranger.where), gallery.where)
    parts = tmp_path / "parts"
    parts.mkdir()
    export_features(gallery, parts / "part-1-of-2.parquet")
    export_features(stranger, parts / "part-2-of-2.parquet")
    with pytest.raises(DataError, match="hold embeddings of two models"):
        source_of(str(parts))


def test_parts_are_one_source_and_none_may_be_missing(gallery: Gallery, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    with pytest.raises(DataError, match=r"holds no gallery and no part-1-of-N.parquet"):
        source_of(str(parts))
    export_features(gallery, parts / "part-2-of-3.parquet", {"camera": 1})
    export_features(gallery, parts / "part-1-of-3.parquet", {"camera": 2})
    with pytest.raises(DataError, match=r"part-3-of-3\.parquet is missing; run `resight embed --shard`"):
        source_of(str(parts))
    (parts / "part-1-of-3 copy.parquet").touch()
    (parts / "part-1-of-0.parquet").touch()
    (parts / "part-1-of-3.parquet").rename(parts / "part-1-of-2.parquet")
    with pytest.raises(DataError, match="parts of two divisions, of 2 and of 3"):
        source_of(str(parts))
    (parts / "part-2-of-3.parquet").rename(parts / "part-2-of-2.parquet")
    source = source_of(str(parts))
    whole = gallery_for(source, str(tmp_path / "whole"))
    import_into(whole, source)
    assert everything(whole) == everything(gallery)


def test_what_is_no_source_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(DataError, match="not a feature file"):
        source_of(str(tmp_path / "a.parquet"))
    (tmp_path / "named.csv").write_text("path,identity,split\n")
    with pytest.raises(DataError, match=r"named\.csv: a table has no features; .*resight index RUN manifest:"):
        source_of(str(tmp_path / "named.csv"))
    with pytest.raises(DataError, match="no such file, folder or gallery"):
        source_of(str(tmp_path / "nothing"))


def test_a_damaged_origin_is_said(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "f.parquet"
    export_features(gallery, file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({b"resight": json.dumps({"schema": 3}).encode()}), file)
    with pytest.raises(DataError, match="what it says of its model is damaged"):
        source_of(str(file))


def test_an_import_that_ends_half_way_ends_equal_when_repeated(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_PIECE", 2)
    source = source_of(gallery.where)
    copy = gallery_for(source, str(tmp_path / "copy"))
    stopped = []

    def stop(count: int) -> None:
        stopped.append(count)
        if len(stopped) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_into(copy, source, stop)
    assert 0 < len(Gallery.open(copy.where)) < len(gallery)
    import_into(gallery_for(source, copy.where), source)
    assert everything(Gallery.open(copy.where)) == everything(gallery)


@pytest.mark.parametrize("group", [1000, 20_000])
def test_a_large_file_is_not_held_whole(tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_PIECE", 1000)
    features = np.random.default_rng(0).normal(size=(20_000, 256)).astype(np.float32)
    records = [Record(f"/{number}.jpg", 1, 1) for number in range(len(features))]
    Embeddings(features, records).save(tmp_path / "f.parquet")
    pq.write_table(pq.read_table(tmp_path / "f.parquet"), tmp_path / "f.parquet", row_group_size=group)
    source, before, most, read = source_of(str(tmp_path / "f.parquet")), pa.total_allocated_bytes(), 0, 0
    for found, *_ in source.pieces():
        assert (found.features == features[read : read + len(found)]).all()
        most, read = max(most, pa.total_allocated_bytes() - before), read + len(found)
    assert read == len(features)
    assert most < features.nbytes / 2


def test_weighed_attributes_travel(kinds: dict[str, Path], people: str, tmp_path: Path) -> None:
    records = read_dataset(people).gallery
    made = Gallery.create(tmp_path / "gallery", model=kinds["embedding"])
    made.add(records)
    export_features(made, tmp_path / "f.parquet")
    copy = gallery_for(source_of(str(tmp_path / "f.parquet")), str(tmp_path / "copy"))
    import_into(copy, source_of(str(tmp_path / "f.parquet")))
    assert everything(copy) == everything(made)
    assert load_embeddings(load(kinds["embedding"]), tmp_path / "f.parquet").features.shape == (
        len(made),
        made.schema.width,
    )
