"""Images decoded once: uint8 at the recipe's size in a memory-mapped file, shared between runs, workers and processes.

The files lie in the user's cache folder: `RESIGHT_CACHE`, or `resight` in `XDG_CACHE_HOME` or in `~/.cache`. There is one
store for each way to prepare images (size, resize, interpolation), a folder of two files that only grow: `pixels`, the
images one after another, and `keys`, sixteen bytes for each that say which file it was, as it was then. A key is written
after its pixels are on the disk, so a process that is killed loses at most what has no key yet. A file that has changed has
another key and is decoded anew. Beyond `RESIGHT_CACHE_LIMIT` GiB (32) the stores that were not used for longest are removed.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import torch
from torch import Tensor

from resight.data.loaders import ImageDataset, evaluation_loader
from resight.errors import DataError
from resight.files import cache_folder, locked
from resight.recipe import ImageOptions, LoaderOptions
from resight.records import Record

__all__ = ["Crops", "cached", "stored_bytes"]

_FORMAT = 1
_KEY = 16
_COMMIT = 64 * 2**20
"""Bytes of pixels after which they are made safe, and get their keys."""
_LIMIT = 32.0
"""GiB that all stores may take together where `RESIGHT_CACHE_LIMIT` says nothing."""
_SPARE = 2**30
"""Bytes of the disk that are left free."""


class Crops:
    """The images of records, decoded and at one size.

    >>> crops = cached(dataset.train, recipe.image)
    >>> crops.gather(torch.tensor([5, 0]))  # uint8 (2, 3, height, width), on the device that the crops are on

    Positions are the records'. A fourth channel is the mask, 0 or 1, where masks were asked for.
    """

    def __init__(self, pixels: Tensor, rows: Tensor, failed: dict[int, str], file: Path | None = None) -> None:
        self.pixels = pixels
        """uint8 (rows, channels, height, width): a memory map, or on a device."""
        self.rows = rows
        """Row of each record, int64 [N]; -1 for an image that cannot be read."""
        self.failed = failed
        """Position of each image that cannot be read -> one line that says why."""
        self.host = self
        """The same crops in the machine's own memory."""
        self._file = file

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def readable(self, index: Tensor) -> Tensor:
        """Whether each of these records' images could be read, bool (len(index),)."""
        return self.rows[index] >= 0

    def gather(self, index: Tensor, pinned: bool = False) -> Tensor:
        """Images at these positions, which must be readable: uint8 (len(index), channels, height, width).

        `pinned` images of the machine's own memory are sent to a GPU without waiting for what it computes.
        """
        rows = self.rows[index]
        if self.device.type != "cpu":
            return self.pixels.index_select(0, rows.to(self.device, non_blocking=True))
        room = torch.empty(len(rows), *self.pixels.shape[1:], dtype=torch.uint8, pin_memory=pinned)
        return torch.index_select(self.pixels, 0, rows, out=room)

    def on(self, device: torch.device) -> Crops:
        """The same crops, those that could be read copied to a device's memory; on the CPU the memory map itself."""
        if device.type == "cpu":
            return self
        kept = torch.nonzero(self.rows >= 0).flatten()
        moved = torch.empty(len(kept), *self.pixels.shape[1:], dtype=torch.uint8, device=device)
        step = max(1, _COMMIT // self.row_bytes)
        for start in range(0, len(kept), step):
            moved[start : start + step] = self.gather(kept[start : start + step]).to(device)
        rows = torch.full_like(self.rows, -1)
        rows[kept] = torch.arange(len(kept))
        there = Crops(moved, rows, self.failed)
        there.host = self
        return there

    @property
    def row_bytes(self) -> int:
        """Bytes of one image."""
        return math.prod(self.pixels.shape[1:])

    def __reduce__(self) -> tuple[object, ...]:
        # A worker that is not forked maps the file itself.
        if self._file is None:
            return Crops, (self.pixels, self.rows, self.failed)
        return _reopened, (self._file, os.stat(self._file).st_ino, self.pixels.shape, self.rows, self.failed)


def stored_bytes(records: int, image: ImageOptions, masks: bool = False) -> int:
    """Bytes that so many records' images take, decoded."""
    return records * (4 if masks else 3) * image.height * image.width


def cached(
    records: Sequence[Record],
    image: ImageOptions,
    *,
    masks: bool = False,
    workers: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    progress: Callable[[int], None] | None = None,
) -> Crops:
    """The records' images from the cache on disk; those that are not there yet are decoded into it by `workers` processes.

    >>> crops = cached(dataset.gallery, recipe.image, workers=8)

    `tell` receives a line when there is much to decode or another process is waited for, `progress` the number of images
    decoded since the last call. Images that cannot be read are listed in `failed` and tried again the next time. Raises
    DataError when the images do not fit within the limit or onto the disk, or the folder cannot be written.
    """
    root = cache_folder() / "crops"
    folder = root / _name(image, masks)
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with locked(folder, BlockingIOError, wait=1):
                return _filled(folder, records, image, masks, workers, tell, progress)
        except BlockingIOError as busy:
            tell(f"{busy}, which fills the cache of decoded images")
        with locked(folder, DataError, wait=-1):
            return _filled(folder, records, image, masks, workers, tell, progress)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot keep decoded images here ({error.strerror or error}); set RESIGHT_CACHE to "
            "another folder, or loader.cache=false"
        ) from error


def _filled(
    folder: Path,
    records: Sequence[Record],
    image: ImageOptions,
    masks: bool,
    workers: int,
    tell: Callable[[str], None],
    progress: Callable[[int], None] | None,
) -> Crops:
    shape = (4 if masks else 3, image.height, image.width)
    keys = [_key(record, masks) for record in records]
    known = _known(folder, shape)
    missing = list({key: place for place, key in enumerate(keys) if key not in known}.values())
    reasons: dict[bytes, str] = {}
    if missing:
        if _make_room(folder, len(missing), len(set(keys)), stored_bytes(1, image, masks)):
            known, missing = {}, list({key: place for place, key in enumerate(keys)}.values())
        size = stored_bytes(len(missing), image, masks)
        if len(missing) > 1000:
            tell(f"decoding {len(missing):,} images once into {folder} ({size / 2**30:.2f} GiB)")
        asked = [(records[place], keys[place]) for place in missing]
        reasons = _decode(folder, asked, image, masks, workers, progress)
        known = _known(folder, shape)
    if (folder / "keys").exists():
        os.utime(folder / "keys")  # used now
    rows = torch.tensor([known.get(key, -1) for key in keys], dtype=torch.int64)
    failed = {place: reasons[key] for place, key in enumerate(keys) if key in reasons}
    return Crops(_mapped(folder / "pixels", len(known), shape), rows, failed, folder / "pixels")


def _decode(
    folder: Path,
    asked: list[tuple[Record, bytes]],
    image: ImageOptions,
    masks: bool,
    workers: int,
    progress: Callable[[int], None] | None,
) -> dict[bytes, str]:
    """Decode images into a store; key -> one line for each that cannot be read."""
    reasons: dict[bytes, str] = {}
    images = ImageDataset([record for record, _ in asked], image, masks=masks)
    keys, done = [key for _, key in asked], 0
    with _Writer(folder, stored_bytes(1, image, masks)) as writer:
        for batch in evaluation_loader(images, LoaderOptions(workers=workers, batch_size=64)):
            size = len(batch.images) + len(batch.failed)
            lost = sorted(set(range(size)).difference(batch.places.tolist()))
            reasons |= {keys[done + place]: line for place, line in zip(lost, batch.failed, strict=True)}
            pixels = torch.cat([batch.images, batch.masks], dim=1)
            writer.append(pixels, [keys[place] for place in batch.index.tolist()])
            done += size
            if progress is not None:
                progress(size)
    return reasons


class _Writer:
    """Appends images to a store that nobody else changes; what a killed process left without keys is cut off first."""

    def __init__(self, folder: Path, row_bytes: int) -> None:
        self.folder, self.row_bytes = folder, row_bytes
        self.pending: list[bytes] = []

    def __enter__(self) -> Self:
        count = _whole_rows(self.folder, self.row_bytes)
        self.pixels = _open_at(self.folder / "pixels", count * self.row_bytes)
        self.keys = _open_at(self.folder / "keys", count * _KEY)
        return self

    def append(self, pixels: Tensor, keys: list[bytes]) -> None:
        """Images uint8 (batch, channels, height, width) and their keys."""
        self.pixels.write(pixels.contiguous().numpy().data)
        self.pending += keys
        if len(self.pending) * self.row_bytes >= _COMMIT:
            self.commit()

    def commit(self) -> None:
        """Make the pixels safe, then write their keys."""
        for file, data in ((self.pixels, b""), (self.keys, b"".join(self.pending))):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self.pending = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, OSError):  # a full disk: what has its keys stays
                self.commit()
        finally:
            for file in (self.pixels, self.keys):
                with suppress(OSError):
                    file.close()


def _open_at(path: Path, size: int) -> BinaryIO:
    """A file to append to, cut to a size."""
    file = open(path, "ab")  # noqa: SIM115  # the writer closes it
    file.truncate(size)
    return file


def _whole_rows(folder: Path, row_bytes: int) -> int:
    """How many images of a store have both their pixels and their key."""
    sizes = [_size(folder / "pixels") // row_bytes, _size(folder / "keys") // _KEY]
    return min(sizes)


def _known(folder: Path, shape: tuple[int, int, int]) -> dict[bytes, int]:
    """Key -> row of a store's images."""
    count = _whole_rows(folder, shape[0] * shape[1] * shape[2])
    data = (folder / "keys").read_bytes()[: count * _KEY] if count else b""
    return {data[row * _KEY : (row + 1) * _KEY]: row for row in range(count)}


def _mapped(file: Path, count: int, shape: Sequence[int]) -> Tensor:
    if not count:
        return torch.empty(0, *shape, dtype=torch.uint8)
    size = count * shape[0] * shape[1] * shape[2]
    # Private: what is written to it stays with this process and never reaches the file.
    return torch.from_file(os.fspath(file), shared=False, size=size, dtype=torch.uint8).view(count, *shape)


def _reopened(file: Path, inode: int, shape: torch.Size, rows: Tensor, failed: dict[int, str]) -> Crops:
    try:
        same = os.stat(file).st_ino == inode
    except OSError:
        same = False
    if not same:
        raise DataError(f"{file}: the cache of decoded images was removed meanwhile; start again")
    return Crops(_mapped(file, shape[0], shape[1:]), rows, failed, file)


def _name(image: ImageOptions, masks: bool) -> str:
    """A store's folder: equal for images that are prepared alike."""
    bars = image.resize == "letterbox"
    said = [
        _FORMAT,
        image.interpolation,
        image.resize,
        "in bars" if masks and bars else masks,
        image.mean if bars else None,
    ]
    digest = hashlib.blake2b(repr(said).encode(), digest_size=4).hexdigest()
    return f"{image.height}x{image.width}-{digest}"


def _key(record: Record, masks: bool) -> bytes:
    """What tells an image's file, as it is now, from all others; of a file that is not there, never the same."""
    said: list[object] = []
    for path in [record.path, *([record.mask] if masks and record.mask is not None else [])]:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            return os.urandom(_KEY)
        # The time of the last change of any kind tells a file that was replaced by one of equal size and date.
        said += [os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return hashlib.blake2b(repr(said).encode("utf-8", "surrogateescape"), digest_size=_KEY).digest()


def _make_room(own: Path, new: int, wanted: int, row_bytes: int) -> bool:
    """Remove stores, those not used for longest first, until `new` more images fit; true where `own` had to begin anew.

    Own rows that nobody asks for now are given up last, all together: then it holds the `wanted` images alone.
    """
    limit = int(_limit() * 2**30)
    others = sorted((file.parent for file in own.parent.glob("*/pixels") if file.parent != own), key=_used)
    while _taken(own.parent) + new * row_bytes > limit and others:
        _remove(others.pop(0))
    begun = _taken(own.parent) + new * row_bytes > limit and _size(own / "pixels") > 0
    if begun:
        _empty(own)
    needed = (wanted if begun else new) * row_bytes
    if _taken(own.parent) + needed > limit:
        raise DataError(
            f"{wanted:,} decoded images take {wanted * row_bytes / 2**30:.1f} GiB, and the cache in {own.parent} may take "
            f"{_limit():g}; raise RESIGHT_CACHE_LIMIT, or set loader.cache=false"
        )
    free = shutil.disk_usage(own.parent).free - _SPARE
    if needed > free:
        raise DataError(
            f"{own.parent}: {needed / 2**30:.1f} GiB of decoded images are to be written, and the disk has "
            f"{max(0, free) / 2**30:.1f} to spare; set RESIGHT_CACHE to another folder, or loader.cache=false"
        )
    return begun


def _limit() -> float:
    said = os.environ.get("RESIGHT_CACHE_LIMIT", "")
    try:
        return float(said) if said else _LIMIT
    except ValueError:
        raise DataError(f"RESIGHT_CACHE_LIMIT={said}: a number of GiB is wanted, such as 32") from None


def _remove(folder: Path) -> None:
    """Empty a store unless another process fills it now; one that reads it keeps what it has mapped."""
    with suppress(OSError), locked(folder, BlockingIOError):
        _empty(folder)


def _empty(folder: Path) -> None:
    # The pixels first: a writer that found them without keys would cut the file that others have mapped.
    for name in ("pixels", "keys"):
        (folder / name).unlink(missing_ok=True)


def _used(folder: Path) -> float:
    """When a store was used last."""
    try:
        return (folder / "keys").stat().st_mtime
    except OSError:
        return 0.0


def _taken(root: Path) -> int:
    return sum(_size(file) for file in root.glob("*/pixels"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
