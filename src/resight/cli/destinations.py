"""Where a command will write, tried before it works: hours are not lost to a folder that cannot be had."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from resight.errors import OptionError

__all__ = ["MANIFESTS", "PAGES", "PICTURES", "require_file", "require_folder"]

MANIFESTS = (".csv", ".parquet", ".pq")
PAGES = (".html", ".htm")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def require_file(path: Path, endings: tuple[str, ...] = (), option: str = "--out") -> None:
    """Raise OptionError when a file at `path` cannot be written, or its name has another ending than one of these.

    Nothing is left behind: folders on the way are made for the trial alone.
    """
    if endings and path.suffix.lower() not in endings:
        raise OptionError(f"{option} {path}: name a file that ends in {', '.join(endings)}")
    if path.is_dir():
        raise OptionError(f"{option} {path}: a folder; name a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise OptionError(f"{option} {path}: may not be written; choose another file, or remove it")
    _try(path.parent, path, option)


def require_folder(path: Path, option: str = "--out") -> None:
    """Raise OptionError when `path` is no folder, cannot be made one, or nothing can be written into it."""
    if path.exists() and not path.is_dir():
        raise OptionError(f"{option} {path}: a file; name a folder")
    _try(path, path, option)


def _try(folder: Path, path: Path, option: str) -> None:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".resight-"):
            pass
    except OSError as error:
        raise OptionError(f"{option} {path}: cannot be written there ({error.strerror or error})") from None
    finally:
        for place in missing:  # the deepest first
            if place.is_dir():
                place.rmdir()
