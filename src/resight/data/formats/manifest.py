"""A table of images as CSV or Parquet: `path, identity, camera, split` and any attribute columns.

Paths are relative to the manifest's own folder (or absolute). `split` is train, query or gallery; without it all images
are one set, to index, to search for or to train on. `identity`, which an evaluation needs and a search does not, `camera`,
`frame`, `sequence`, `mask` (a path like the image's), `time` (milliseconds, or a date with a time of day, in UTC unless it
says otherwise) and `tracklet` (a number within the camera) may be absent too; every further column is an attribute, an empty
cell, or one that says so (`nan`, `NA`, `N/A`, `None`, `null`, `?`), meaning that it is not known. A class of such a name, or
with blanks around it, is in quotation marks of its own: `"None"`. Among identities and cameras `-`, `unknown`, `nil` and the
like are gaps too; among attributes they are classes. The notes say either.
"""

from __future__ import annotations

import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from resight.data.attributes import schema_of
from resight.data.formats._columns import (
    class_of,
    is_missing,
    is_near,
    is_nobody,
    maybe_missing,
    meant_by,
    own_columns,
    written_class,
)
from resight.data.formats._numbering import number_cameras, number_identities, whole_number
from resight.errors import DataError, did_you_mean
from resight.files import written_whole
from resight.records import NO_CAMERA, UNLABELLED, Record, ReidDataset, milliseconds
from resight.words import counted

__all__ = ["is_manifest", "read_manifest", "write_manifest"]

_OWN = ("path", "identity", "split", "camera", "frame", "sequence", "mask", "time", "tracklet")
_SPLITS = ("train", "query", "gallery")
_LIKE_SPLITS = frozenset({*_SPLITS, "val", "valid", "validation", "test", "probe"})
_PARQUET = frozenset({".parquet", ".pq"})
_PATHS_LOOKED_AT = 16
_WRITTEN = ("path", "split")
"""Columns without gaps, whose cells mean what is written."""
_FILES = ("path", "mask")
_NAMES = ("identity", "camera")
_SHOWN = 5

_Columns = dict[str, list[str]]
_Cells = dict[str, list[str | int | None]]


def read_manifest(path: str | os.PathLike[str]) -> ReidDataset:
    """Read a CSV (UTF-8, commas) or Parquet (`.parquet`, `.pq`) manifest.

    Identities that are all whole numbers are used as they are (0 distractor, -1 junk, neither in train),
    others are numbered from 1 in sorted order; cameras likewise. A missing identity is UNLABELLED (in train too:
    autoencoders need no identities), a missing camera unknown. Without a column `split` all images are the training split,
    which 0 and -1 may be in then. A column that nearly has the name of one that is absent
    (`camid`, `pid`, `filename`) is taken for it, which the dataset's notes say. A column without a name is ignored (pandas
    writes its index so).
    Raises DataError naming the missing column, the row (1 is the first below the header), or the first
    image when none of some images looked for, spread over the manifest, exists.
    """
    file = Path(path).expanduser()
    columns = _read_columns(file)
    taken, notes = own_columns(columns)
    called = {own: name for name, own in taken.items()}
    columns = {taken.get(name, name): cells for name, cells in columns.items()}
    _require_path(file, columns, called)
    labelled, divided = "identity" in columns, "split" in columns
    notes += _fill_up(file, columns, called)
    _check_cells(file, columns, called)
    for name, cells in columns.items():
        if name in _NAMES:
            columns[name], said = _named_ones(file, called.get(name, name), cells)
            notes += said
        elif name not in _WRITTEN:
            columns[name] = _known(cells)
            notes += _doubtful(name, cells) if name not in _OWN else []
    identities = _identities(file, columns, divided)
    cameras = _cameras(file, columns)
    frames, sequences, tracklets = (_whole_numbers(file, columns, name) for name in ("frame", "sequence", "tracklet"))
    folder = os.fspath(file.parent)
    records: dict[str, list[Record]] = {split: [] for split in _SPLITS}
    masks = [os.path.join(folder, mask) if mask else None for mask in columns.get("mask", [""] * len(identities))]
    rows = zip(
        columns["split"],
        columns["path"],
        identities,
        cameras,
        frames,
        sequences,
        _attributes(columns),
        masks,
        _times(file, columns),
        tracklets,
        strict=True,
    )
    for split, image, *rest in rows:
        records[split].append(Record(os.path.join(folder, image), *rest))
    unlabelled = sum(not cell for cell in columns["identity"])
    if labelled and unlabelled:
        notes.append(f"{counted(unlabelled, 'image')} without an identity, unlabelled")
    every = [record for found in records.values() for record in found]
    _check_images(file, every)
    return ReidDataset(
        file.stem, records["train"], records["query"], records["gallery"], schema=schema_of(every), notes=notes
    )


def write_manifest(path: str | os.PathLike[str], dataset: ReidDataset) -> None:
    """Write a dataset as a manifest, Parquet for `.parquet` and `.pq`, else CSV.

    Images under the manifest's folder are written relative to it, others by their full path. The explicit
    answers (`relevance`) and the protocol have no column and are not stored. The file appears whole or not at all.
    What is written is read back equal. Raises DataError when an attribute has the name of one of the manifest's own
    columns, or blanks around it.
    """
    columns = _dataset_columns(Path(path), dataset)
    with written_whole(path) as partial:
        write = _write_parquet if _is_parquet(partial) else _write_csv
        write(partial, columns)


def is_manifest(path: Path) -> bool:
    """True for a file with a manifest's ending."""
    return path.is_file() and path.suffix.lower() in {".csv", *_PARQUET}


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in _PARQUET


def _read_columns(file: Path) -> _Columns:
    if not file.is_file():
        raise DataError(f"{file}: {'a folder, not a manifest file' if file.is_dir() else 'no such file'}")
    try:
        return _read_parquet(file) if _is_parquet(file) else _read_csv(file)
    except UnicodeError as error:
        raise DataError(
            f"{file}: not in UTF-8 ({error}); save it as CSV in UTF-8, as spreadsheets offer, or by iconv -f latin1 -t utf-8"
        ) from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{file}: not a readable manifest ({error}); CSV in UTF-8 or Parquet is expected") from error


def _read_csv(file: Path) -> _Columns:
    with open(file, newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        header = [name.strip() for name in next(reader, [])]
        _require_commas(file, header)
        named = [name for name in header if name]
        repeated = next((name for name in named if named.count(name) > 1), None)
        if repeated:
            raise DataError(f"{file}: two columns are called {repeated}")
        rows = []
        for row in reader:
            if len(row) != len(header):
                if not row:
                    continue
                raise DataError(f"{file}: line {reader.line_num} has {len(row)} cells, the header has {len(header)}")
            rows.append(row)
    cells = zip(*rows, strict=True) if rows else ([] for _ in header)
    taken, _ = own_columns(named)
    return {
        name: _cells(taken.get(name, name), column, file.parent)
        for name, column in zip(header, cells, strict=True)
        if name
    }


def _require_commas(file: Path, header: Sequence[str]) -> None:
    """Raises DataError for a header of another encoding's bytes, or of one cell that other signs separate."""
    if any("\0" in name for name in header):
        raise DataError(f"{file}: not in UTF-8 but perhaps in UTF-16; save it as CSV in UTF-8, as spreadsheets offer")
    for sign, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "upright strokes")):
        if len(header) == 1 and sign in header[0]:
            raise DataError(f"{file}: its cells are separated by {called}, not by commas; save it with commas")


def _cells(own: str, column: Sequence[str], folder: Path) -> list[str]:
    if own in _NAMES:  # `_named_ones` looks at their blanks.
        return list(column)
    return [_stripped(cell, folder if own in _FILES else None) for cell in column]


def _stripped(cell: str, folder: Path | None) -> str:
    """The cell without blanks around it, unless it so names a file in `folder`."""
    text = cell.strip()
    return cell if text and text != cell and folder and (folder / cell).is_file() else text


def _known(cells: list[str]) -> list[str]:
    """The cells, empty where they say that nothing is known."""
    return ["" if is_missing(cell) else cell for cell in cells]


def _named_ones(file: Path, column: str, cells: list[str]) -> tuple[list[str], list[str]]:
    """Names of people or cameras, empty where none is known, and a note on words that say so.

    Raises DataError for two names that differ by blanks alone, as they may be two people.
    """
    written: dict[str, str] = {}
    for cell in dict.fromkeys(cells):
        first = written.setdefault(cell.strip(), cell)
        if first != cell and not is_nobody(cell):
            raise DataError(f"{file}: column {column}: {first!r} and {cell!r} differ by blanks alone; write both alike")
    gaps = Counter(cell.strip() for cell in cells if is_nobody(cell) and not is_missing(cell.strip()))
    names = ["" if is_nobody(cell) else cell.strip() for cell in cells]
    notes: list[str] = []
    alike: dict[str, str] = {}
    for name in dict.fromkeys(names):
        first = alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if first != name:
            notes.append(f"column {column}: {first!a} and {name!a} are two names; if they are one, write both alike")
            break
    if not gaps:
        return names, notes
    return names, [*notes, f"column {column}: {_counted(gaps)} taken as not known; a name like this needs another word"]


def _doubtful(column: str, cells: list[str]) -> list[str]:
    """A note on classes that may be meant as gaps."""
    found = Counter(cell for cell in cells if maybe_missing(cell))
    if not found:
        return []
    return [f"column {column}: {_counted(found)} taken as a class; leave cells empty that are not known"]


def _counted(cells: Mapping[str, int]) -> str:
    shown = ", ".join(f"{cell!r}" for cell in list(cells)[:_SHOWN]) + (", …" if len(cells) > _SHOWN else "")
    return f"{shown} of {counted(sum(cells.values()), 'image')} is"


def _read_parquet(file: Path) -> _Columns:
    import pyarrow as pa  # Imported late: the other formats do not need it.
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        columns = {}
        for name in table.column_names:
            if not name.startswith("__index_level_"):
                text = table[name].cast(pa.string()).fill_null("").to_pylist()
                gaps = pa.types.is_floating(table[name].type)
                columns[name] = ["" if gaps and cell == "nan" else cell for cell in text]
        return columns
    except pa.ArrowException as error:
        raise DataError(f"{file}: not a readable Parquet manifest ({str(error).splitlines()[0]})") from error


def _require_path(file: Path, columns: _Columns, called: Mapping[str, str]) -> None:
    """`called` is the file's own name of a column that is taken for another."""
    if "path" not in columns:
        own = [called.get(name, name) for name in columns]
        meant = meant_by("path", own)
        raise DataError(
            f"{file}: no column path; a manifest needs it, and may have identity, split ({', '.join(_SPLITS)}), camera, "
            f"time and attributes; this one has {', '.join(own) or 'none'}" + (f"; {meant}" if meant else "")
        )
    if not columns["path"]:
        raise DataError(f"{file}: lists no image")


def _fill_up(file: Path, columns: _Columns, called: Mapping[str, str]) -> list[str]:
    """Add the columns identity and split where they are absent; a note on each.

    Raises DataError for a column of another name that holds splits: what it sets apart must not be trained on.
    """
    others = [called.get(name, name) for name in columns]
    images, notes = len(columns["path"]), []
    for name, cell, told in (
        ("identity", "", "all images are unlabelled"),
        ("split", "train", "all images are one set"),
    ):
        if name in columns:
            continue
        if name == "split" and (splits := _like_splits(columns)):
            raise DataError(f"{file}: no column split; if {called.get(splits, splits)} is meant, call it split")
        meant = meant_by(name, others)
        notes.append(f"no column {name}, so {told}" + (f"; {meant}" if meant else ""))
        columns[name] = [cell] * images
    return notes


def _like_splits(columns: _Columns) -> str | None:
    """A column whose cells are all names of splits."""
    return next((name for name, cells in columns.items() if {*map(str.lower, cells)} <= _LIKE_SPLITS), None)


def _check_cells(file: Path, columns: _Columns, called: Mapping[str, str]) -> None:
    seen = set()
    for row, (split, image) in enumerate(zip(columns["split"], columns["path"], strict=True), 1):
        if split not in _SPLITS:
            name, close = called.get("split", "split"), did_you_mean(split, _SPLITS)
            raise DataError(f"{file}: row {row}: {name} {split!r} is not one of {', '.join(_SPLITS)}{close}")
        if not image:
            raise DataError(f"{file}: row {row}: no {called.get('path', 'path')}")
        if (split, image) in seen:
            raise DataError(f"{file}: row {row}: {image} is listed twice in {split}")
        seen.add((split, image))


def _identities(file: Path, columns: _Columns, divided: bool) -> list[int]:
    names = columns["identity"]
    train = {name for name, split in zip(names, columns["split"], strict=True) if divided and split == "train"}
    numbers = number_identities(set(names), str(file), train)
    return [numbers[name] for name in names]


def _cameras(file: Path, columns: _Columns) -> list[int]:
    if "camera" not in columns:
        return [NO_CAMERA] * len(columns["split"])
    numbers = number_cameras(set(columns["camera"]), str(file))
    return [numbers[name] for name in columns["camera"]]


def _whole_numbers(file: Path, columns: _Columns, name: str) -> list[int | None]:
    numbers = []
    for row, cell in enumerate(columns.get(name, [""] * len(columns["split"])), 1):
        number = whole_number(cell)
        if cell and number is None:
            raise DataError(f"{file}: row {row}: column {name} holds {cell!r}, which is not a whole number")
        numbers.append(number)
    return numbers


def _times(file: Path, columns: _Columns) -> list[int | None]:
    """Milliseconds: as they are, or since 1970 where a cell is a date with a time of day."""
    cells = columns.get("time", [""] * len(columns["split"]))
    return [_milliseconds(file, row, cell) if cell else None for row, cell in enumerate(cells, 1)]


def _milliseconds(file: Path, row: int, cell: str) -> int:
    if (number := whole_number(cell)) is not None:
        return number
    try:
        return milliseconds(cell)
    except DataError as error:
        raise DataError(f"{file}: row {row}: column time: {error}") from None


def _attributes(columns: _Columns) -> list[dict[str, str]]:
    names = [name for name in columns if name not in _OWN]
    # Images of one identity mostly have the same attributes, so one mapping serves them all.
    shared: dict[tuple[str, ...], dict[str, str]] = {}
    rows = zip(*(columns[name] for name in names), strict=True) if names else [()] * len(columns["split"])
    for_row = []
    for values in rows:
        if values not in shared:
            shared[values] = {name: class_of(cell) for name, cell in zip(names, values, strict=True) if cell}
        for_row.append(shared[values])
    return for_row


def _check_images(file: Path, records: Sequence[Record]) -> None:
    looked_at = records[:: max(1, len(records) // _PATHS_LOOKED_AT)]
    if not any(os.path.exists(record.path) for record in looked_at):
        raise DataError(
            f"{looked_at[0].path}: no such image, nor any other of {len(looked_at)} looked for; "
            f"paths in {file.name} are relative to its own folder"
        )


def _dataset_columns(path: Path, dataset: ReidDataset) -> _Cells:
    rows = [(split, record) for split, records in dataset.splits.items() for record in records]
    base = os.path.join(os.path.abspath(path.parent), "")
    columns: _Cells = {
        "path": [_relative(record.path, base) for _, record in rows],
        "identity": [None if record.identity == UNLABELLED else record.identity for _, record in rows],
        "camera": [record.camera for _, record in rows],
        "split": [split for split, _ in rows],
        "frame": [record.frame for _, record in rows],
        "sequence": [record.sequence for _, record in rows],
        "mask": [None if record.mask is None else _named(_relative(record.mask, base)) for _, record in rows],
        "time": [record.time for _, record in rows],
        "tracklet": [record.tracklet for _, record in rows],
    }
    names = dict.fromkeys((*dataset.schema.names, *(name for _, record in rows for name in record.attributes)))
    for name in ("frame", "sequence", "mask", "time", "tracklet"):
        # Beside an empty column, an attribute of a near name stays one.
        if all(value is None for value in columns[name]) and not is_near(name, names):
            del columns[name]
    for name in names:
        if name in _OWN or not name.strip():
            raise DataError(f"{path}: attribute {name!r} has the name of a manifest's own column; rename it")
        if name != name.strip():
            raise DataError(f"{path}: attribute {name!r} begins or ends with a blank, which tables lose; rename it")
        given = (record.attributes.get(name) for _, record in rows)
        columns[name] = [None if value is None else written_class(value) for value in given]
    return columns


def _relative(image: str, base: str) -> str:
    full = os.path.abspath(image)
    return full.removeprefix(base)


def _named(mask: str) -> str:
    """The path, also where its name is one that stands for a gap."""
    return os.path.join(os.curdir, mask) if is_missing(mask) else mask


def _write_csv(path: Path, columns: _Cells) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_parquet(path: Path, columns: _Cells) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {"identity", "camera", "frame", "sequence", "time", "tracklet"}
    kinds = {name: pa.int64() if name in numbers else pa.string() for name in columns}
    table = pa.table({name: pa.array(cells, kinds[name]) for name, cells in columns.items()})
    pq.write_table(table, path, compression="zstd")
