"""What the readers share: checks of a dataset's folders, with messages that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from resight.data.images import image_names
from resight.errors import DataError

__all__ = ["has_folders", "names_in", "require_folders"]


def has_folders(root: Path, names: Iterable[str]) -> bool:
    """True when every name is a folder directly in `root`."""
    return all((root / name).is_dir() for name in names)


def require_folders(root: str | os.PathLike[str], names: tuple[str, ...], layout: str) -> Path:
    """`root` as a Path once all folders are there.

    Raises DataError naming what is missing, and the subfolder that was probably meant where there is one.
    """
    folder = Path(root).expanduser()
    wanted = ", ".join(f"{name}/" for name in names)
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; {layout} wants the folder that holds {wanted}")
    if not folder.is_dir():
        raise DataError(f"{folder}: a file, not a folder; {layout} wants the (unpacked) folder that holds {wanted}")
    missing = [name for name in names if not (folder / name).is_dir()]
    if missing:
        inner = next((child for child in sorted(folder.iterdir()) if has_folders(child, names)), None)
        hint = f"; did you mean {inner}?" if inner else ""
        raise DataError(f"{folder}: no folder {missing[0]}/ in it; {layout} wants the folder that holds {wanted}{hint}")
    return folder


def names_in(folder: Path) -> list[str]:
    """Sorted image names in a folder of a dataset. Raises DataError when there is none."""
    names = image_names(folder)
    if not names:
        raise DataError(f"{folder}: no images in it")
    return names
