"""Older galleries: today's finds what they found, and a kill or damage loses nothing. test_gallery.py opens real ones."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from resight.errors import RunError
from resight.gallery.lance import LanceStore
from resight.gallery.migration import migrate, read_flat_index
from resight.gallery.stores import open_store
from resight.records import Record, record_table


def flat(kind: bytes, metric: int, features: np.ndarray) -> bytes:
    """What faiss 1.15 writes of a flat index."""
    count, width = features.shape
    header = struct.pack("<4siqqqbiQ", kind, width, count, 1 << 20, 1 << 20, 1, metric, features.size)
    return header + features.astype("<f4").tobytes()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A gallery of format 3 by cosine: four images, one of them without finite features."""
    folder = tmp_path / "g"
    folder.mkdir()
    features = np.array([[1, 0], [0, 1], [np.nan, 0], [0.6, 0.8]], np.float32)
    (folder / "index-000002.faiss").write_bytes(flat(b"IxFI", 0, features))
    records = [Record(f"/{name}.jpg", camera=place, attributes={"hat": "no"}) for place, name in enumerate("abcd")]
    pq.write_table(record_table(records), folder / "records-000002.parquet")
    facts = {"format": 3, "metric": "cosine", "attributes": 0, "model": "/runs/x", "fingerprint": "f", "generation": 2}
    (folder / "gallery.json").write_text(json.dumps(facts))
    return folder


def test_features_records_and_model_are_kept(old: Path) -> None:
    store = open_store(str(old))
    assert (store.facts["model"], store.facts["fingerprint"], store.schema.metric) == ("/runs/x", "f", "cosine")
    found = store.search(np.array([[0, 1]], np.float32), 9)
    rows = store.fetch(found.ids[0], ["path", "camera", "hat"]).to_pylist()
    assert [(row["path"], row["camera"], row["hat"]) for row in rows] == [
        ("/b.jpg", 1, "no"),
        ("/d.jpg", 3, "no"),
        ("/a.jpg", 0, "no"),
    ]
    np.testing.assert_allclose(found.scores[0], [1, 0.8, 0], atol=1e-6)
    assert sorted(os.listdir(old)) == ["gallery.json", "rows.lance"]


def test_a_kill_before_the_end_leaves_the_old_gallery(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resight.gallery.lance._write_document", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        migrate(old)
    monkeypatch.undo()
    assert json.loads((old / "gallery.json").read_text())["format"] == 3
    assert open_store(str(old)).count() == 3


def test_damage_is_named(old: Path) -> None:
    for file in ("index-000002.faiss", "records-000002.parquet"):
        whole = (old / file).read_bytes()
        (old / file).write_bytes(whole[:-4])
        with pytest.raises(RunError, match=r"g is damaged \(.*make it anew"):
            open_store(str(old))
        (old / file).unlink()
        with pytest.raises(RunError, match=rf"damaged: {file} is missing; put it back"):
            open_store(str(old))
        (old / file).write_bytes(whole)
    facts = json.loads((old / "gallery.json").read_text())
    for change, said in (({"attributes": 5}, "its model makes 5"), ({"format": 1}, "has gallery format 1")):
        (old / "gallery.json").write_text(json.dumps(facts | change))
        with pytest.raises(RunError, match=said):
            open_store(str(old))


def test_only_flat_indexes_are_read(tmp_path: Path) -> None:
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    for kind, metric in ((b"IxFI", 0), (b"IxF2", 1)):
        (tmp_path / "i").write_bytes(flat(kind, metric, features))
        np.testing.assert_array_equal(read_flat_index(tmp_path / "i"), features)
    for wrong in (flat(b"IwFl", 1, features), flat(b"IxFI", 1, features), flat(b"IxFI", 0, features) + b"x"):
        (tmp_path / "i").write_bytes(wrong)
        with pytest.raises(ValueError, match="no flat index"):
            read_flat_index(tmp_path / "i")


def test_one_that_another_process_has_rewritten_is_left_alone(old: Path) -> None:
    migrate(old)
    version = LanceStore.open(str(old)).version
    migrate(old)
    assert LanceStore.open(str(old)).version == version
