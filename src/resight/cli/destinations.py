"""Where a command will write, tried before it works: hours are not lost to a folder that cannot be had.

What is there already is dealt with in one of three ways. Data (a manifest, features, predictions, masks, clusters) may
hold somebody's work or corrections: `require_free` refuses to write over it unless --force is given. Views of data
(reports, pictures, charts, a scan) are made anew, and the line that names them says so: `replaced`. Folders that a
command goes on with (a gallery, a search, a table, the demo) have rules of their own, beside what reads them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from resight.errors import OptionError

__all__ = [
    "CHARTS",
    "MANIFESTS",
    "PAGES",
    "PICTURES",
    "replaced",
    "require_file",
    "require_folder",
    "require_free",
    "require_other",
]

CHARTS = (".png", ".svg", ".pdf")
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


def require_free(path: Path, force: bool, option: str = "--out") -> None:
    """Raise OptionError when there is a file at `path`, or a folder that holds something, and `force` is not given."""
    if force or not _is_taken(path):
        return
    what = "a folder that holds files" if path.is_dir() else "a file that exists"
    raise OptionError(f"{option} {path}: {what}; choose another, or --force to write over it")


def replaced(path: Path) -> str:
    """What is said after the name of an output that is there already; ask before it is written."""
    return " (replaced)" if _is_taken(path) else ""


def require_other(path: Path, inputs: Iterable[str | os.PathLike[str]], option: str = "--out") -> None:
    """Raise OptionError when a command would write over one of its own inputs."""
    if path.exists() and any(os.path.exists(given) and path.samefile(given) for given in inputs):
        raise OptionError(f"{option} {path}: an input of this command; choose another file")


def _is_taken(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


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
