"""Which store an address means: a folder, or a server's table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resight.gallery.lance import FORMAT, LanceStore, read_document
from resight.gallery.store import Schema, Store

__all__ = ["make_store", "open_store", "store_exists"]


def make_store(where: str, schema: Schema, facts: Mapping[str, Any]) -> Store:
    """A new store. Raises RunError where there is one already."""
    return LanceStore.create(where, schema, facts)


def open_store(where: str) -> Store:
    """The store that is there; a gallery of an older format is rewritten first. Raises RunError where there is none."""
    folder = Path(where)
    if read_document(folder)["format"] < FORMAT:
        from resight.gallery.migration import migrate

        migrate(folder)
    return LanceStore.open(where)


def store_exists(where: str) -> bool:
    """Whether there is a gallery."""
    return (Path(os.fspath(where)) / "gallery.json").exists()
