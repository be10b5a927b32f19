"""What the readers share: checks of a dataset's folders, with messages that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from resight.data.images import image_names
from resight.errors import DataError

__all__ = ["half_there", "has_folders", "names_in", "read_rows", "require_folders", "require_listed"]


def has_folders(root: Path, names: Iterable[str]) -> bool:
    """True when every name is a folder directly in `root`."""
    return all((root / name).is_dir() for name in names)


def half_there(folder: Path, files: Iterable[str], so: str) -> list[str]:
    """A note on the files that are absent while others of them are there, as a copy that broke off leaves them.

    `so` says what that means. Nothing where all are there, or none.
    """
    present = {name: (folder / name).is_file() for name in files}
    if all(present.values()) or not any(present.values()):
        return []
    here, gone = (" and ".join(name for name, there in present.items() if there is wanted) for wanted in (True, False))
    return [f"{gone} {'is' if sum(present.values()) == len(present) - 1 else 'are'} missing beside {here}: {so}"]


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


def read_rows(path: Path, cells: int, separator: str | None = None) -> list[list[str]]:
    """Rows of a dataset's text list, of at least `cells` cells each, separated by `separator` or by white space.

    Empty lines are ignored. Raises DataError for a file that is missing or empty, and for a short row.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; it is part of the dataset, so unpack that again or copy the file there")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeError:  # Chinese lists name models in the older encoding.
        text = data.decode("gb18030", errors="replace")
    rows = []
    for line, content in enumerate(text.splitlines(), 1):
        row = [cell.strip() for cell in content.split(separator)]
        if not any(row):
            continue
        if len(row) < cells:
            raise DataError(f"{path}: line {line}: {content.strip()!r} has {len(row)} of the {cells} parts of a row")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: lists nothing; unpack the dataset again")
    return rows


def require_listed(folder: Path, names: Sequence[str], listing: Path) -> None:
    """Raises DataError when an image that `listing` names relative to `folder` is not there."""
    present = {place: _contents(folder / place) for place in {os.path.dirname(name) for name in names}}
    missing = [name for name in names if os.path.basename(name) not in present[os.path.dirname(name)]]
    if missing:
        raise DataError(
            f"{folder / min(missing)}: listed in {listing.name} but not there "
            f"({len(missing)} of {len(names)} are missing); unpack the dataset again"
        )


def _contents(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
