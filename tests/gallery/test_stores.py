"""Which store an address means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resight.errors import MissingExtraError, RunError
from resight.gallery.lance import LanceStore
from resight.gallery.store import Column, Schema
from resight.gallery.stores import in_words, make_store, open_store, store_exists
from tests.support.postgres_server import PostgresServer


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


def test_an_address_is_a_table(server: PostgresServer) -> None:
    from resight.gallery.postgres import PostgresStore

    where = server.address("an address")
    assert not store_exists(where)
    made = make_store(where, Schema(2, "cosine", (Column("path", "text"),)), {"model": None})
    assert isinstance(made, PostgresStore)
    assert store_exists(where)
    opened = open_store(where)
    assert opened.schema == made.schema
    assert in_words(where) == made.where == f"postgresql://resight@127.0.0.1:{server.port}/postgres?table=an address"
    for store in (made, opened):
        store.close()


def test_an_address_without_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("psycopg", "psycopg.conninfo"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="pip install 'resight\\[postgres\\]'"):
        in_words("postgresql://host/db")


def test_feature_files_are_written_without_what_keeps_galleries() -> None:
    """Beside LanceDB the workers of `resight embed` would start slowly and each have all of Python to itself."""
    code = "import sys, resight.gallery.transfer; assert not {'lancedb', 'psycopg'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
