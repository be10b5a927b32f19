"""Writing files so that a kill or a full disk leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write to; it replaces `path` when the block ends without an error.

    >>> with written_whole("metrics.csv") as partial:
    ...     partial.write_text("epoch,loss")

    An error in the block removes the partial file and leaves what was there before. What a full disk does to writers
    with errors of their own (faiss, safetensors, torch, pyarrow) is raised as OSError that names `path`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The partial file keeps the suffix: writers such as Pillow and faiss choose the format by it.
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(target)
        raise
    except Exception as error:
        number = next((number for number in _DISK if os.strerror(number) in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), os.fspath(target)) from error
    finally:
        partial.unlink(missing_ok=True)


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What a disk may say to a writer. Some libraries keep the words and lose the number."""
