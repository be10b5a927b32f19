"""Writing files so that nothing is lost: whole or not at all, and in a folder by one process at a time.

And which file a path names, as two paths may name one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["cache_folder", "disk_named", "file_key", "folder_written_whole", "holder", "locked", "written_whole"]

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What a disk may say to a writer. Some libraries keep the words and lose the number."""
_LOCKLESS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What a file system answers that has no locks."""


@contextmanager
def written_whole(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Give a path beside `path` to write to; it replaces `path` when the block ends without an error.

    >>> with written_whole("metrics.csv") as partial:
    ...     partial.write_text("epoch,loss")

    An error in the block removes the partial file and leaves what was there before. Unless `durable`, nothing waits for
    the disk: a file for each of many small things is written eight times as fast, and a power cut, though no killed
    process, may leave one that is cut off. What a full disk does to writers with errors of their own (safetensors, torch, pyarrow, LanceDB) is raised as OSError that names `path`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The partial file keeps the suffix: writers such as Pillow choose the format by it.
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        with disk_named(target, partial):
            yield partial
            if durable:
                with open(partial, "rb+") as file:
                    os.fsync(file.fileno())
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: str | os.PathLike[str], taken: type[Exception]) -> Iterator[Path]:
    """Give a folder beside `path` to fill; it takes the place of `path` when the block ends without an error.

    >>> with folder_written_whole("samples", DataError) as partial:
    ...     (partial / "list.csv").write_text("path")

    An error in the block removes it with all that is in it, and what a disk says names `path` as in `written_whole`.
    Raises `taken` where `path` is a file, or a folder that holds something.
    """
    target = Path(path).absolute()
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise taken(f"{path}: exists and is not an empty folder; name another, or remove it first")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        with disk_named(Path(path), partial):
            yield partial
            if target.is_dir():
                target.rmdir()
            os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def disk_named(target: Path, partial: Path) -> Iterator[None]:
    """What a full disk does to a writer in the block is raised as OSError in the system's words, and names `target`."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(partial)):
            raise  # another file, such as one that was read
        if error.errno in _DISK:
            raise OSError(error.errno, os.strerror(error.errno), os.fspath(target)) from error
        if error.filename is None and error.errno is not None:  # without a number the words would be lost
            error.filename = os.fspath(target)
        raise
    except Exception as error:
        number = next((number for number in _DISK if os.strerror(number) in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), os.fspath(target)) from error


def cache_folder() -> Path:
    """Where resight keeps what it can make anew: `RESIGHT_CACHE`, or `resight` in the user's cache folder."""
    if named := os.environ.get("RESIGHT_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "resight"


def file_key(path: str | os.PathLike[str]) -> str:
    """What tells a file from all others, whether it is reached by its name, a link to it, or another of its names.

    >>> file_key("a.jpg") == file_key("./a.jpg")
    True

    Where there is no such file, its path without links.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    # Some file systems of a network or of Windows have no numbers.
    return f"{status.st_dev}:{status.st_ino}" if status.st_ino else os.path.realpath(path)


@contextmanager
def locked(folder: str | os.PathLike[str], busy: type[Exception], wait: float = 0) -> Iterator[None]:
    """Keep all others out of `folder` who ask for it here too: other processes, and other handles of this one.

    >>> with locked("gallery", RunError, wait=60):
    ...     ...  # read, change, write

    The folder is made where it is missing. The system takes the lock away when its process ends, however it ends. Raises
    `busy`, which names that process, where the folder is not free within `wait` seconds. A file system that has no
    locks gives none.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".lock"
    lock = FileLock(file, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise busy(f"{folder} is in use by {_holder(file)}; wait until that has ended") from None
    except OSError as error:
        if error.errno not in _LOCKLESS:
            raise
        yield
        return
    try:
        with suppress(OSError):  # a full disk: the lock holds all the same
            file.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # while it is held: one who waits sees that the file is gone, and makes a new one
            file.unlink()
        lock.release()


def holder(folder: str | os.PathLike[str]) -> str | None:
    """Who holds a folder by `locked` now, in words; None where nobody does. Nothing is made or changed."""
    file = Path(folder) / ".lock"
    if not file.exists():
        return None
    lock = FileLock(file, fallback_to_soft=False)
    try:
        with lock.acquire(timeout=0):
            return None
    except Timeout:
        return _holder(file)
    except OSError:  # a file system without locks, or a folder that is another's
        return None


def _holder(file: Path) -> str:
    """Who wrote a lock's file, as far as it can be read."""
    with suppress(OSError, ValueError):
        return f"another process (number {int(file.read_text(encoding='utf-8'))})"
    return "another process"
