"""What a table's columns and cells mean: names that nearly are a manifest's own, and missing values that are spelt out.

A class that a reader would take for something else, such as one called None, stands in quotation marks that belong to the
cell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

__all__ = ["class_of", "is_missing", "is_near", "own_columns", "written_class"]

# As pandas and R write a gap. Not "none" and "na" in small letters, which are classes and names of their own.
_MISSING = frozenset(
    {"", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "N.A.", "n.a.", "#N/A", "<NA>", "None", "null", "NULL", "Null", "?"}
)

# Written as `_plain` gives them.
_NEAR: Mapping[str, tuple[str, ...]] = {
    "path": ("imagepath", "imgpath", "filepath", "filename", "file", "imagename", "imgname", "image", "img"),
    "identity": ("pid", "personid", "identityid", "vehicleid", "vid", "id"),
    "camera": ("camid", "cam", "cameraid", "cameranumber"),
    "split": ("subset",),
    "frame": ("frameid",),
    "sequence": ("sequenceid",),
    "mask": ("maskpath",),
}


def is_missing(cell: str) -> bool:
    """True for an empty cell, and for one that spells out that nothing is known."""
    return cell in _MISSING


def written_class(name: str) -> str:
    """A class as a cell: as it is, or in quotation marks where blanks would be lost or a gap be seen.

    With a carriage return in it too, which Python's csv protects only where it has another reason to quote the cell.
    """
    mistaken = is_missing(name) or name != name.strip() or class_of(name) != name or "\r" in name
    return f'"{name}"' if mistaken else name


def class_of(cell: str) -> str:
    """The class that `written_class` made a cell of."""
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def is_near(own: str, names: Iterable[str]) -> bool:
    """Whether one of the names is nearly a manifest's own."""
    return any(_plain(name) in (own, *_NEAR[own]) for name in names)


def own_columns(names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Which of a table's columns to take for a manifest's own, {column: own name}, and a line for each near miss.

    A column that nearly has the name of one that is absent is taken where it is the only such. Where there are several,
    or the column itself is there too, none is taken.
    """
    taken, notes = {}, []
    for own, near in _NEAR.items():
        found = [name for name in names if name != own and _plain(name) in (own, *near)]
        if not found:
            continue
        if own in names:
            notes.append(f"column {' and '.join(found)} is an attribute, as there is a column {own}")
        elif len(found) == 1:
            taken[found[0]] = own
            notes.append(f"column {found[0]} is taken as {own}")
        else:
            notes.append(f"columns {', '.join(found)} could each be {own}, so none is taken; call the right one {own}")
    return taken, notes


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
