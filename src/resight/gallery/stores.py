"""Which store an address means: a folder, or a server's table.

LanceDB is imported where a folder is opened, not before: commands that only write feature files need none, and beside it
loader workers start slowly and have nothing in common with this process (see `resight.data.loaders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resight.gallery.address import is_address, read_address
from resight.gallery.store import Schema, Store

__all__ = ["in_words", "make_store", "open_store", "store_exists"]


def make_store(where: str, schema: Schema, facts: Mapping[str, Any]) -> Store:
    """A new store. Raises RunError where there is one already."""
    if is_address(where):
        from resight.gallery.postgres import PostgresStore

        return PostgresStore.create(where, schema, facts)
    from resight.gallery.lance import LanceStore

    return LanceStore.create(where, schema, facts)


def open_store(where: str) -> Store:
    """The store that is there; a gallery of an older format is rewritten first. Raises RunError where there is none."""
    if is_address(where):
        from resight.gallery.postgres import PostgresStore

        return PostgresStore.open(where)
    from resight.gallery.lance import FORMAT, LanceStore, read_document

    folder = Path(where)
    if read_document(folder)["format"] < FORMAT:
        from resight.gallery.migration import migrate

        migrate(folder)
    return LanceStore.open(where)


def store_exists(where: str) -> bool:
    """Whether there is a gallery. Raises RunError where a server does not answer."""
    if is_address(where):
        from resight.gallery.postgres import PostgresStore

        return PostgresStore.exists(where)
    return (Path(where) / "gallery.json").exists()


def in_words(where: str) -> str:
    """As messages name it: a folder as it is, an address without its password."""
    return str(read_address(where)) if is_address(where) else where
