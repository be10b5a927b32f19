"""Attributes of people and vehicles: the datasets' own codes <-> class names.

Market-1501's annotations (Lin et al. 2019) are 27 numbers per identity, one column per colour. The systems
predict twelve targets instead: a colour is one target, with the class "multi" where no colour column is
set.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from resight.errors import DataError, did_you_mean
from resight.files import written_whole
from resight.records import AttributeSchema, Record

__all__ = [
    "MARKET_COLUMNS",
    "MARKET_SCHEMA",
    "MULTI",
    "MULTI_COLUMNS",
    "VERI_SCHEMA",
    "columns_from_targets",
    "read_annotation_rows",
    "read_market_mat",
    "schema_of",
    "targets_from_columns",
    "write_annotation_rows",
]

MULTI = "multi"
"""Colour class of clothes with several colours, or with one that has no column."""

_UPPER = ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")
_LOWER = ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")
_NO_YES = ("no", "yes")

MARKET_SCHEMA = AttributeSchema(
    {
        "gender": ("male", "female"),
        "hair": ("short", "long"),
        "up": ("long", "short"),
        "down": ("long", "short"),
        "clothes": ("dress", "pants"),
        "hat": _NO_YES,
        "backpack": _NO_YES,
        "bag": _NO_YES,
        "handbag": _NO_YES,
        "age": ("young", "teenager", "adult", "old"),
        "upper_color": (*_UPPER, MULTI),
        "lower_color": (*_LOWER, MULTI),
    }
)
"""The twelve targets of Market-1501. Outside the colours, class number i is the annotations' code i + 1.

`up` is the length of the sleeves, `down` the length of the lower-body clothing, `clothes` its kind.
"""

_COLOURS = {"upper_color": ("up", _UPPER), "lower_color": ("down", _LOWER)}
_PLAIN = tuple(name for name in MARKET_SCHEMA.names if name not in _COLOURS)

MARKET_COLUMNS = (
    *("age", "backpack", "bag", "handbag", "clothes", "down", "up", "hair", "hat", "gender"),
    *(f"up{colour}" for colour in _UPPER),
    *(f"down{colour}" for colour in _LOWER),
)
"""The 27 annotation columns in the order of the course's CSV header."""
MULTI_COLUMNS = ("upmulticolor", "downmulticolor")
"""Two columns that some versions of the course's hand-in file have besides."""

VERI_SCHEMA = AttributeSchema(
    {
        "color": ("yellow", "orange", "green", "gray", "red", "blue", "white", "golden", "brown", "black"),
        "type": ("sedan", "suv", "van", "hatchback", "mpv", "pickup", "bus", "truck", "estate"),
    }
)
"""Colour and type of VeRi-776: class number i is the label file's ID i + 1."""


def targets_from_columns(columns: Mapping[str, int]) -> dict[str, str]:
    """The twelve targets of one identity from its 27 codes (further columns are ignored).

    A colour is "multi" when none of its columns is set (code 2), and when more than one is.
    Raises DataError for a missing column or a code that does not exist; the caller adds the file's name.
    """
    _require_columns(columns)
    targets = {name: _class_of(name, columns[name]) for name in _PLAIN}
    for name, (prefix, colours) in _COLOURS.items():
        worn = [colour for colour in colours if _is_set(f"{prefix}{colour}", columns[f"{prefix}{colour}"])]
        targets[name] = worn[0] if len(worn) == 1 else MULTI
    return {name: targets[name] for name in MARKET_SCHEMA.names}


def columns_from_targets(targets: Mapping[str, str], multi: bool = False) -> dict[str, int]:
    """The 27 codes that stand for twelve targets: the inverse of `targets_from_columns`.

    With `multi` the columns `upmulticolor` and `downmulticolor` follow their colours.
    Raises DataError when a target is absent or names no class of MARKET_SCHEMA.
    """
    missing = [name for name in MARKET_SCHEMA.names if name not in targets]
    if missing:
        raise DataError(f"no value for {', '.join(missing)}; all twelve attributes are needed")
    codes = {name: MARKET_SCHEMA.index(name, targets[name]) + 1 for name in MARKET_SCHEMA.names}
    columns = {name: codes[name] for name in MARKET_COLUMNS if name in codes}
    for name, (prefix, colours) in _COLOURS.items():
        columns |= {f"{prefix}{colour}": 1 + (targets[name] == colour) for colour in colours}
        if multi:
            columns[f"{prefix}multicolor"] = 1 + (targets[name] == MULTI)
    return columns


def schema_of(records: Iterable[Record]) -> AttributeSchema:
    """The schema of records whose file does not state one.

    Market-1501's or VeRi-776's own where the records' attributes are exactly those (so that classes keep
    their numbers even where one does not occur), else what occurs.
    """
    found = AttributeSchema.from_records(records)
    for known in (MARKET_SCHEMA, VERI_SCHEMA):
        if set(found.names) == set(known.names) and all(
            set(values) <= set(known.classes[name]) for name, values in found.classes.items()
        ):
            return known
    return found


def read_market_mat(
    path: str | os.PathLike[str],
) -> tuple[dict[int, dict[str, str]], dict[int, dict[str, str]]]:
    """Targets by identity, of the training and of the test identities, from `market_attribute.mat`.

    The two halves order their columns differently; both are read by name.
    Raises DataError when the file is not Market-1501's attribute file.
    """
    from scipy.io import loadmat  # Imported late: most commands never read a .mat.

    try:
        whole = loadmat(os.fspath(path), squeeze_me=True, struct_as_record=True)["market_attribute"]
        halves = whole["train"].item(), whole["test"].item()
        return _mat_half(halves[0]), _mat_half(halves[1])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # On a damaged or foreign file SciPy raises errors of any kind.
        raise DataError(
            f"{path}: not Market-1501's attribute file ({type(error).__name__}: {error}); expected a struct "
            "market_attribute with train and test, as published with Lin et al. 2019"
        ) from error


def read_annotation_rows(path: str | os.PathLike[str]) -> dict[str, dict[str, str]]:
    """First column -> twelve targets, for a CSV with the 27 columns in any order.

    The course's `annotations_train.csv` has an identity in the first column, its `classification_test.csv`
    a file name. A set `upmulticolor` or `downmulticolor` means "multi". Raises DataError naming file and
    line.
    """
    rows: dict[str, dict[str, str]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            first, *columns = reader.fieldnames or ["", *MARKET_COLUMNS]
            _require_columns(columns)
            for row in reader:
                key = (row[first] or "").strip()
                if not key or key in rows:
                    raise DataError(f"line {reader.line_num}: {'repeated' if key else 'empty'} {first} {key}".rstrip())
                try:
                    rows[key] = _targets_of_row(row)
                except DataError as error:
                    raise DataError(f"line {reader.line_num}: {error}") from error
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if not rows:
        raise DataError(f"{path}: no rows of attributes")
    return rows


def write_annotation_rows(
    path: str | os.PathLike[str], rows: Iterable[tuple[str, Mapping[str, str]]], multi: bool = False
) -> None:
    """Write `(what a row is called, twelve targets)` as `read_annotation_rows` reads it, whole or not at all.

    The columns are `id` and the course's 27; `multi` adds MULTI_COLUMNS, each after its colours. Raises DataError when a
    target is absent or unknown.
    """
    upper = MARKET_COLUMNS.index("upgreen") + 1
    added = MULTI_COLUMNS if multi else ("", "")
    header = ["id", *filter(None, [*MARKET_COLUMNS[:upper], added[0], *MARKET_COLUMNS[upper:], added[1]])]
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        for called, targets in rows:
            try:
                writer.writerow({"id": called, **columns_from_targets(targets, multi)})
            except DataError as error:
                raise DataError(f"{called}: {error}") from error


def _targets_of_row(row: Mapping[str, Any]) -> dict[str, str]:
    codes: dict[str, int] = {}
    for name in (*MARKET_COLUMNS, *MULTI_COLUMNS):
        if row.get(name) is not None:
            try:
                codes[name] = int(row[name])
            except ValueError:
                raise DataError(f"{name} is {row[name]!r}, not a whole number") from None
    targets = targets_from_columns(codes)
    for name, column in zip(_COLOURS, MULTI_COLUMNS, strict=True):
        if column in codes and _is_set(column, codes[column]):
            targets[name] = MULTI
    return targets


def _mat_half(half: np.ndarray) -> dict[int, dict[str, str]]:
    if half.dtype.names is None:
        raise DataError("train or test is no struct")
    columns = {name: np.atleast_1d(half[name].item()) for name in half.dtype.names}
    if "image_index" not in columns:
        raise DataError("no field image_index")
    identities = [int(text) for text in columns.pop("image_index")]
    if twice := next((identity for identity in identities if identities.count(identity) > 1), None):
        raise DataError(f"image_index names identity {twice} twice")
    table = {name: values.astype(int).tolist() for name, values in columns.items()}
    if any(len(values) != len(identities) for values in table.values()):
        raise DataError("its fields have different lengths")
    return {
        identity: targets_from_columns({name: values[row] for name, values in table.items()})
        for row, identity in enumerate(identities)
    }


def _require_columns(names: Collection[str]) -> None:
    """Raises DataError when one of the 27 columns is absent, with what a name that it does not know may stand for."""
    missing = [name for name in MARKET_COLUMNS if name not in names]
    if missing:
        others = sorted(set(names).difference(MARKET_COLUMNS, MULTI_COLUMNS, {""}))
        meant = ((name, did_you_mean(name.lower().replace("_", ""), missing)) for name in others)
        near = "".join(f"; there is {name!r}{hint}" for name, hint in meant if hint)
        raise DataError(f"no column {', '.join(missing)}{near}; needed are the 27 of Market-1501's attributes")


def _class_of(name: str, code: int) -> str:
    classes = MARKET_SCHEMA.classes[name]
    if not 1 <= code <= len(classes):
        raise DataError(f"{name} is {code}, not one of 1 to {len(classes)} ({', '.join(classes)})")
    return classes[code - 1]


def _is_set(column: str, code: int) -> bool:
    if code not in (1, 2):
        raise DataError(f"{column} is {code}, not 1 (no) or 2 (yes)")
    return code == 2
