"""What a table's columns and cells mean: names that nearly are a manifest's own, and missing values that are spelt out.

A class that a reader would take for something else, such as one called None, stands in quotation marks that belong to the
cell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

__all__ = [
    "class_of",
    "is_missing",
    "is_near",
    "is_nobody",
    "maybe_missing",
    "meant_by",
    "own_columns",
    "written_class",
]

# As pandas and R write a gap. Not "none" and "na" in small letters, which are classes and names of their own.
_MISSING = frozenset(
    {"", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "N.A.", "n.a.", "#N/A", "<NA>", "None", "null", "NULL", "Null", "?"}
)

# What else people write for what they do not know, in small letters. No person or camera is called so, but a class may be.
_NOBODY = frozenset(
    {
        "-",
        "--",
        "---",
        "–",
        "—",
        "unknown",
        "unk",
        "unknown.",
        "(unknown)",
        "undefined",
        "unspecified",
        "missing",
        "nil",
    }
    | {
        "none",
        "na",
        "n.a",
        "not available",
        "not known",
        "unidentified",
        "no camera",
        ".",
        "_",
        "''",
        '""',
        "??",
        "???",
        "tbd",
    }
    | {name.lower() for name in _MISSING}
)

# Written as `_plain` gives them.
_NEAR: Mapping[str, tuple[str, ...]] = {
    "path": (
        "imagepath",
        "imgpath",
        "filepath",
        "filename",
        "file",
        "imagename",
        "imgname",
        "imagefile",
        "image",
        "img",
    ),
    "identity": (
        *("pid", "personid", "person", "personname", "identityid", "identityname", "vehicleid", "vid", "id"),
        *("subject", "subjectid"),
    ),
    "camera": ("camid", "cam", "camname", "cameraid", "cameraname", "cameranumber", "cameranr", "camnumber", "camno"),
    "split": ("subset", "set", "partition", "splitname"),
    "frame": ("frameid",),
    "sequence": ("sequenceid",),
    "mask": ("maskpath",),
    "time": ("timems",),
    "tracklet": ("trackletid",),
}

# Names that may mean one of a manifest's own, and as well an attribute: not taken, but said.
_MAYBE: Mapping[str, tuple[str, ...]] = {
    "path": ("picture", "photo", "name", "crop"),
    "identity": ("label", "name", "track", "trackid", "class", "people", "who", "target"),
    "camera": ("view", "viewid", "viewname", "viewpoint", "device", "sensor", "location", "place"),
    "split": ("fold", "phase", "part", "usage", "role", "stage"),
}


def is_missing(cell: str) -> bool:
    """True for an empty cell, and for one that spells out that nothing is known."""
    return cell in _MISSING


def is_nobody(cell: str) -> bool:
    """True for a cell of identities or cameras that names none: a gap in any letters, `-`, `unknown`, `nil`, `''`."""
    return cell.strip().lower() in _NOBODY


def maybe_missing(cell: str) -> bool:
    """True for a class that may have been meant as a gap; not for `none`, which is one of its own (no hat)."""
    return not is_missing(cell) and is_nobody(cell) and cell.lower() != "none"


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


def meant_by(own: str, names: Iterable[str]) -> str:
    """A part of a message that names the columns that may be one that is absent, or nothing."""
    found = [name for name in names if _plain(name) in _MAYBE.get(own, ())]
    return f"if {' or '.join(found)} is meant, call it {own}" if found else ""


def own_columns(names: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Which of a table's columns to take for a manifest's own, {column: own name}, and a line for each near miss.

    A column that nearly has the name of one that is absent is taken where it is the only such. Where there are several,
    or the column itself is there too, none is taken. An absent camera's note names the column that may be meant.
    """
    taken: dict[str, str] = {}
    notes: list[str] = []
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
    if "camera" not in {*names, *taken.values()} and (meant := meant_by("camera", names)):
        notes.append(f"no column camera; {meant}")
    return taken, notes


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
