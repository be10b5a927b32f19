"""Which store an address means."""

from __future__ import annotations

from pathlib import Path

import pytest

from resight.errors import RunError
from resight.gallery.lance import LanceStore
from resight.gallery.store import Column, Schema
from resight.gallery.stores import make_store, open_store, store_exists


def test_a_path_is_a_folder(tmp_path: Path) -> None:
    where = str(tmp_path / "g")
    assert not store_exists(where)
    with pytest.raises(RunError, match="is no gallery"):
        open_store(where)
    made = make_store(where, Schema(2, "cosine", (Column("path", "text"),)), {"model": None})
    assert isinstance(made, LanceStore)
    assert store_exists(where)
    assert open_store(where).schema == made.schema
    with pytest.raises(RunError, match="is a gallery already"):
        make_store(where, made.schema, {})
