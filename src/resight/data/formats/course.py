"""The University of Trento course's version of Market-1501, and its two hand-in files.

ROOT holds `train/` (`0002_c1_016620005.jpg`: identity, camera, a random number), `annotations_train.csv`,
and, without labels, `test/` and `queries/` (`000000.jpg`, numbered apart; each query is a byte copy of a
test image).
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from resight.data.attributes import MARKET_SCHEMA, read_annotation_rows, write_annotation_rows
from resight.data.formats._layout import has_folders, names_in, require_folders
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.files import written_whole
from resight.records import AttributeSchema, Record, ReidDataset

__all__ = [
    "HAND_IN",
    "hand_in_names",
    "is_course",
    "read_course",
    "read_course_annotations",
    "read_course_classification",
    "read_course_ranking",
    "write_course_classification",
    "write_course_ranking",
]

_NAME = re.compile(r"(\d+)_c(\d+)_(\d+)\.")
_ANNOTATIONS = "annotations_train.csv"


def read_course(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the folder that holds `train/`, `test/` and `queries/`.

    Query and gallery have no labels: their records are UNLABELLED and have no camera. Attributes come from
    `annotations_train.csv` where it is present.
    Raises DataError for a missing folder, a name that does not parse, or a bad annotation.
    """
    folder = require_folders(root, ("train", "test", "queries"), "course")
    annotated = (folder / _ANNOTATIONS).is_file()
    attributes = read_course_annotations(folder / _ANNOTATIONS) if annotated else {}
    return ReidDataset(
        name="course",
        train=_read_train(folder / "train", attributes),
        query=_read_unlabelled(folder / "queries"),
        gallery=_read_unlabelled(folder / "test"),
        schema=MARKET_SCHEMA if annotated else AttributeSchema(),
        protocol="course",
    )


def is_course(root: Path) -> bool:
    """True when a folder or file has one of the course's own names (the reader then says what is missing)."""
    return has_folders(root, ["queries"]) or (root / _ANNOTATIONS).is_file()


def read_course_annotations(path: str | os.PathLike[str]) -> dict[int, dict[str, str]]:
    """Identity -> twelve targets, from `annotations_train.csv`. Raises DataError naming file and line."""
    numbers, found = Numbers(path, "identities"), {}
    for key, targets in read_annotation_rows(path).items():
        if not key.isdecimal():
            raise DataError(f"{path}: first column is no identity ({key!r}); it holds whole numbers")
        found[numbers(key)] = targets
    return found


def read_course_classification(path: str | os.PathLike[str]) -> dict[str, dict[str, str]]:
    """File name -> twelve targets, from `classification_test.csv`, with or without the multi-colours."""
    return read_annotation_rows(path)


HAND_IN = "classification_test.csv"
"""How the course calls the attributes that are handed in."""

_PARTS = re.compile(r"[,:\s]")
"""What separates the names in a ranking."""


def hand_in_names(paths: Iterable[str], ranking: bool = False) -> list[str]:
    """What the hand-in files call images: their names, without folders.

    Raises DataError for two images of one name and, in a `ranking`, for a name that the format cannot hold.
    """
    return list(map(_naming(ranking), paths))


def write_course_classification(
    path: str | os.PathLike[str], rows: Iterable[tuple[str, Mapping[str, str]]], multi: bool = False
) -> None:
    """Write `classification_test.csv`: one row per image, `(path, twelve targets)`.

    `multi` adds the columns `upmulticolor` and `downmulticolor`, which some versions of the task ask for.
    Raises DataError when a target is absent or unknown, or two images have one name; nothing is written then.
    """
    called = _naming(ranking=False)
    write_annotation_rows(path, ((called(image), targets) for image, targets in rows), multi)


def write_course_ranking(path: str | os.PathLike[str], rankings: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write `reid_test.txt`: one line `q.jpg: a.jpg, b.jpg` per query, best answer first (without folders).

    Raises DataError for a query or answer given twice or a name that the format cannot hold; nothing is written then.
    """
    asked, called = _naming(ranking=True), _naming(ranking=True)
    seen: set[str] = set()
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        for query, answers in rankings:
            name, names = asked(query), list(map(called, answers))
            if name in seen:
                raise DataError(f"{name}: query given twice; {path} has one line per query")
            if len(set(names)) < len(names):
                raise DataError(f"{name}: an answer is given twice; {path} has each image once per query")
            seen.add(name)
            file.write(f"{name}: {', '.join(names)}".rstrip() + "\n")


def _naming(ranking: bool) -> Callable[[str], str]:
    """Path -> name without folders; remembers, as rankings have the same paths over and over. Raises as `hand_in_names`."""
    owners: dict[str, str] = {}

    @functools.cache
    def called(path: str) -> str:
        name = os.path.basename(path)
        if not name or (ranking and _PARTS.search(name)):
            raise DataError(f"{path!r}: empty, or holds a comma, colon or space, which separate names in a ranking")
        if (other := owners.setdefault(name, path)) != path:
            raise DataError(f"{other} and {path} have one name, and the course's files name no folders; rename one")
        return name

    return called


def read_course_ranking(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Query -> its answers, best first, from `reid_test.txt`. Raises DataError naming file and line."""
    rankings: dict[str, list[str]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path}: not a readable ranking file ({getattr(error, 'strerror', None) or error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        query, colon, answers = line.partition(":")
        query = query.strip()
        if not colon or not query:
            raise DataError(f"{path}: line {number}: expected 'query.jpg: first.jpg, second.jpg'")
        if query in rankings:
            raise DataError(f"{path}: line {number}: query {query} a second time")
        rankings[query] = [name for name in map(str.strip, answers.split(",")) if name]
    return rankings


def _read_train(folder: Path, attributes: Mapping[int, Mapping[str, str]]) -> list[Record]:
    prefix = os.path.join(folder, "")
    nothing: dict[str, str] = {}
    identities, cameras = Numbers(folder, "identities"), Numbers(folder, "cameras")
    records = []
    for name in names_in(folder):
        match = _NAME.match(name)
        if match is None:
            raise DataError(
                f"{prefix}{name}: name does not parse; the course's training images are named like "
                "0002_c1_016620005.jpg (identity, camera, number)"
            )
        identity, camera = identities(match[1]), cameras(match[2])
        if identity < 1:
            raise DataError(f"{prefix}{name}: identity 0 among the training images; identities start at 1")
        records.append(Record(prefix + name, identity, camera, attributes=attributes.get(identity, nothing)))
    return records


def _read_unlabelled(folder: Path) -> list[Record]:
    prefix = os.path.join(folder, "")
    return [Record(prefix + name) for name in names_in(folder)]
