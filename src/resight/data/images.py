"""From an image file to pixels, safely: what is too large, cut off or no image is refused in one line.

Nothing is decoded before its size is known, so a small file that declares a huge picture costs nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from resight.errors import DataError, ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "MAX_PIXELS", "SUFFIXES", "decode_image", "image_names", "list_images", "read_image"]

MAX_BYTES = 64 * 2**20
"""Largest image file that is read, in bytes."""
MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels (width × height)."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
"""Endings by which image files are found in a folder (compared in lower case)."""

# Pillow knows many more, some of them little tested; what is not here is "no image" whatever its ending says.
_DECODERS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")


def read_image(
    path: str | os.PathLike[str], max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Read one image file as uint8 RGB `[height, width, 3]`, upright (EXIF orientation applied).

    `read_image("0002_c1s1_000451_03.jpg")  # (128, 64, 3)`

    Grey, palette, CMYK and 16-bit images become RGB, and so do numbers with a point from 0 to 1; transparency is
    dropped, and of an animation the first frame is taken.

    Raises ImageError, one line that names the file, when it is missing, no regular file, empty, over
    `max_bytes`, over `max_pixels` (before decoding), cut off, corrupt, no image, or when nothing says which of its
    numbers is white: of 32-bit integers, of numbers with a point over 1, of 16 bits of which 12 are used.
    """
    return decode_image(_read_bytes(path, max_bytes), os.fspath(path), max_pixels)


def decode_image(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode the bytes of an image file; `name` is what messages call it. Otherwise as `read_image`."""
    try:
        with Image.open(io.BytesIO(data), formats=_DECODERS) as image:
            if image.width * image.height > max_pixels:
                raise ImageError(f"{name}: {_too_large(image.width, image.height, max_pixels)}")
            _turn_upright(image)
            return np.array(_to_rgb(image, name), np.uint8)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: {_too_large(None, None, max_pixels)}") from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(f"{name}: not an image (known are {', '.join(_DECODERS)})") from error
    except Exception as error:  # Decoders raise whatever comes (struct.error, IndexError, ...) on damaged input.
        reason = str(error).strip().splitlines()
        raise ImageError(
            f"{name}: corrupt or cut-off image ({reason[0] if reason else type(error).__name__})"
        ) from error


def list_images(path: str | os.PathLike[str]) -> list[str]:
    """Paths of all images under a folder, sorted; a single file is returned as it is, whatever its ending.

    Folders behind symbolic links are entered, each real folder once, so loops end. Hidden files are passed
    over. Raises DataError when the path does not exist or holds no image.
    """
    root = Path(path)
    if root.is_file():
        return [os.fspath(path)]
    if not root.is_dir():
        raise DataError(f"{root}: no such file or folder")
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(os.path.join(folder, name) for name in names if _is_image_name(name))
    if not found:
        raise DataError(f"{root}: no images in it or below; endings looked for: {', '.join(sorted(SUFFIXES))}")
    return sorted(found)


def image_names(folder: str | os.PathLike[str]) -> list[str]:
    """Sorted names of the image files directly in a folder (no paths, hidden files passed over)."""
    return sorted(name for name in os.listdir(folder) if _is_image_name(name))


def _is_image_name(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _read_bytes(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    # Opened without blocking, so that a named pipe is refused rather than waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(f"{path}: not a regular file")
            if status.st_size > max_bytes:
                raise ImageError(
                    f"{path}: {status.st_size / 2**20:.1f} MiB, over the limit of {max_bytes / 2**20:.0f} MiB"
                )
            data = file.read(status.st_size)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a folder, not an image") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not data:
        raise ImageError(f"{path}: empty file")
    return data


def _too_large(width: int | None, height: int | None, max_pixels: int) -> str:
    size = f"{width} × {height} pixels" if width else "picture"
    return f"{size} over the limit of {max_pixels / 1e6:.0f} million pixels; not decoded"


def _turn_upright(image: Image.Image) -> None:
    """Load the pixels and apply the EXIF orientation, in place."""
    image.load()  # here, so that a cut-off image is not taken for a damaged EXIF block
    with contextlib.suppress(Exception):  # A damaged EXIF block says nothing about the pixels.
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F" or image.mode.startswith("I"):  # `convert` would clip at 255 instead of scaling.
        return Image.fromarray(_to_bytes(image, name)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


_BITS_PER_SAMPLE = 258
"""TIFF's tag for how many bits a number has."""


def _to_bytes(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """Grey of more than 8 bits -> 0 to 255 by the range that its numbers can have, which is not what they happen to have.

    Raises ImageError where that range is not known: a guess would make one image of a set brighter than the next.
    """
    grey = np.asarray(image)
    if image.mode == "F":
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ImageError(f"{name}: {_no_range('numbers with a point that are not all from 0 to 1')}")
        return (grey * 255).round().astype(np.uint8)
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0] if isinstance(image, TiffImageFile) else 16
    if bits > 16 or grey.min() < 0:
        raise ImageError(f"{name}: {_no_range(f'whole numbers of {bits} bits')}")
    # PPM states its white, and Pillow has scaled by it.
    if bits == 16 and image.format != "PPM" and 0 < grey.max() < 2**12:
        raise ImageError(f"{name}: {_no_range('16 bits a pixel of which 12 or fewer are used')}")
    return (grey >> (bits - 8)).clip(0, 255).astype(np.uint8)


def _no_range(what: str) -> str:
    return f"{what}, so white is not known; save it with 8 bits a pixel, or with 16 from 0 to 65535"
