"""VeRi-776 (Liu et al. 2016): vehicles, with colour and type, the name lists and the lists of right answers.

ROOT holds `image_train/`, `image_query/`, `image_test/` (names `0001_c001_00016450_0.jpg`: vehicle, camera,
frame time, box), `train_label.xml` and `test_label.xml`, `name_train.txt`, `name_query.txt`,
`name_test.txt`, and `gt_index.txt` and `jk_index.txt`, one line per query of 1-based positions in
`name_test.txt`.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from resight.data.attributes import VERI_SCHEMA
from resight.data.formats._layout import half_there, has_folders, names_in, require_folders, require_listed
from resight.data.formats._numbering import Numbers
from resight.errors import DataError
from resight.records import AttributeSchema, Record, ReidDataset, Relevance

__all__ = ["is_veri776", "read_veri776"]

_FOLDERS = ("image_train", "image_query", "image_test")
_LABELS = ("train_label.xml", "test_label.xml")
_LISTS = ("name_train.txt", "name_query.txt", "name_test.txt")
_NAME = re.compile(r"(\d+)_c(\d+)_(\d+)_(\d+)\.")
_IDS = {"color": "colorID", "type": "typeID"}


class _Labels(NamedTuple):
    """Attributes by image name, and by vehicle for images that a label file leaves out."""

    by_name: Mapping[str, Mapping[str, str]]
    by_vehicle: Mapping[int, Mapping[str, str]]


def read_veri776(root: str | os.PathLike[str]) -> ReidDataset:
    """Read the folder that holds `image_train/`, `image_query/` and `image_test/`.

    The name lists give the order of the images, and the folder's sorted names where a list is missing.
    Colour and type come from the label files where present (an ID of 0 means not annotated); the notes name a file that is
    missing beside its like. `relevance`
    holds `gt_index` and `jk_index`, made 0-based, where both are present; one alone is left aside, which the notes say,
    as without its half the query's own camera would count.
    Raises DataError for a missing folder, a listed image that is not there, a name that does not parse,
    damaged XML, or positions outside the gallery.
    """
    folder = require_folders(root, _FOLDERS, "veri776")
    train_labels, test_labels = (_read_labels(folder / name) for name in _LABELS)
    numbers = Numbers(folder, "vehicles"), Numbers(folder, "cameras")
    query = _read_images(folder, "query", test_labels, *numbers)
    gallery = _read_images(folder, "test", test_labels, *numbers)
    relevance, notes = _read_relevance(folder, len(query), len(gallery))
    notes += half_there(folder, _LABELS, "those images have no colour and type")
    notes += half_there(folder, _LISTS, "all images of that folder are taken, by name")
    return ReidDataset(
        name="veri776",
        train=_read_images(folder, "train", train_labels, *numbers),
        query=query,
        gallery=gallery,
        schema=VERI_SCHEMA if train_labels.by_name or test_labels.by_name else AttributeSchema(),
        relevance=relevance,
        notes=notes,
    )


def is_veri776(root: Path) -> bool:
    """True when a folder has one of VeRi-776's own names (the reader then says what is missing)."""
    return any(has_folders(root, [name]) for name in _FOLDERS)


def _read_images(root: Path, split: str, labels: _Labels, vehicles: Numbers, cameras: Numbers) -> list[Record]:
    folder = root / f"image_{split}"
    prefix = os.path.join(folder, "")
    nothing: dict[str, str] = {}
    records = []
    for name in _names(folder, root / f"name_{split}.txt"):
        match = _NAME.match(name)
        if match is None:
            raise DataError(
                f"{prefix}{name}: name does not parse; VeRi-776 names look like 0001_c001_00016450_0.jpg "
                "(vehicle, camera, frame time, box)"
            )
        identity, camera, frame = vehicles(match[1]), cameras(match[2]), int(match[3])
        known = labels.by_name.get(name) or labels.by_vehicle.get(identity, nothing)
        records.append(Record(prefix + name, identity, camera, frame, attributes=known))
    return records


def _names(folder: Path, listing: Path) -> list[str]:
    present = names_in(folder)
    if not listing.is_file():
        return present
    try:
        listed = listing.read_text(encoding="utf-8-sig").split()
    except UnicodeError as error:
        raise DataError(f"{listing}: not a list of image names ({error})") from error
    require_listed(folder, listed, listing)
    if not listed:
        raise DataError(f"{listing}: lists no image; remove it to take all of {folder.name}/")
    return listed


def _read_labels(path: Path) -> _Labels:
    if not path.is_file():
        return _Labels({}, {})
    by_name: dict[str, dict[str, str]] = {}
    by_vehicle: dict[int, dict[str, str]] = {}
    for item in _parse(path).iter("Item"):
        name, vehicle = item.get("imageName"), item.get("vehicleID")
        if not name or not vehicle or not vehicle.isdecimal():
            raise DataError(f"{path}: an Item without imageName or vehicleID ({dict(item.attrib)})")
        by_name[name] = {attribute: value for attribute in _IDS if (value := _label(path, item, attribute))}
        by_vehicle.setdefault(int(vehicle), by_name[name])
    if not by_name:
        raise DataError(f"{path}: holds no Item; VeRi-776's label files list one per image")
    return _Labels(by_name, by_vehicle)


def _parse(path: Path) -> ElementTree.Element:
    # The files declare gb2312, which expat does not know: decode first (gb18030 is its superset) and drop the
    # declaration.
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    encoding = "utf-8" if b"utf-8" in data[:100].lower() else "gb18030"
    text = data.decode(encoding, errors="replace")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path}: declares a document type, which VeRi-776's files do not; refused")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: damaged XML ({error}); unpack the dataset again") from error


def _label(path: Path, item: ElementTree.Element, attribute: str) -> str | None:
    classes = VERI_SCHEMA.classes[attribute]
    text = item.get(_IDS[attribute], "0")
    if not text.isdecimal() or int(text) > len(classes):
        raise DataError(
            f"{path}: {item.get('imageName')} has {_IDS[attribute]} {text!r}, "
            f"not 1 to {len(classes)} (or 0: not annotated)"
        )
    return classes[int(text) - 1] if int(text) else None


def _read_relevance(root: Path, queries: int, gallery: int) -> tuple[Relevance | None, list[str]]:
    good, junk = root / "gt_index.txt", root / "jk_index.txt"
    present = [path.name for path in (good, junk) if path.is_file()]
    if len(present) < 2:
        absent = junk.name if present == [good.name] else good.name
        notes = [f"{present[0]} is left aside, as {absent} is missing; identities and cameras judge"] if present else []
        return None, notes
    lists = [root / "name_query.txt", root / "name_test.txt"]
    unlisted = next((path for path in lists if not path.is_file()), None)
    if unlisted:
        raise DataError(
            f"{unlisted}: missing, but {good.name} counts positions in it; restore it or remove {good.name}"
        )
    return Relevance(_read_positions(good, queries, gallery), _read_positions(junk, queries, gallery)), []


def _read_positions(path: Path, queries: int, gallery: int) -> list[NDArray[np.int64]]:
    lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    # An empty line is a query without images, also at the end; what comes after the last query ends the file.
    while len(lines) > queries and not lines[-1].strip():
        lines.pop()
    if len(lines) != queries:
        raise DataError(f"{path}: {len(lines)} lines for {queries} queries; there must be one line per query")
    positions = []
    for number, line in enumerate(lines, 1):
        try:
            row = np.array(line.split(), np.int64) - 1
        except ValueError as error:
            raise DataError(f"{path}: line {number}: not a list of whole numbers ({error})") from error
        if row.size and (row.min() < 0 or row.max() >= gallery):
            raise DataError(f"{path}: line {number}: a position outside 1 to {gallery}, the number of gallery images")
        positions.append(row)
    return positions
