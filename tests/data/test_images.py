from __future__ import annotations

import contextlib
import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resight.data.images import decode_image, image_names, list_images, read_image
from resight.errors import DataError, ImageError

# Red over blue, wider than high, so that every orientation looks different.
PIXELS = np.zeros((4, 6, 3), np.uint8)
PIXELS[:2] = (250, 10, 10)
PIXELS[2:] = (10, 10, 250)
PIXELS[0, 0] = (10, 250, 10)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_declares(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def one_line(error: pytest.ExceptionInfo[BaseException], name: str) -> bool:
    text = str(error.value)
    return name in text and "\n" not in text


def test_reads_rgb_exactly_and_writable(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    array = read_image(tmp_path / "a.png")
    assert array.dtype == np.uint8
    assert array.flags.writeable
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, PIXELS)


RAMP = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None], (1, 32))
"""Black above, white below."""


def packed_12_bits(grey: np.ndarray) -> bytes:
    """A TIFF of 12 bits a pixel, two pixels in three bytes, as scanners and microscopes write them."""
    pairs = grey.astype(np.uint32).reshape(-1, 2)
    both = pairs[:, 0] << 12 | pairs[:, 1]
    pixels = np.stack([both >> 16 & 255, both >> 8 & 255, both & 255], 1).astype(np.uint8).tobytes()
    height, width = grey.shape
    # width, height, bits, no compression, black is 0, where the pixels begin, numbers a pixel, rows and bytes of the strip
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: height, 279: len(pixels)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + pixels


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(RAMP), "TIFF"),
        encoded(Image.fromarray((RAMP * 65535).astype(np.uint16)), "TIFF"),
        encoded(Image.fromarray((RAMP * 65535).astype(np.uint16)), "PNG"),
        packed_12_bits(RAMP * 4095),
        b"P5 32 64 4095\n" + (RAMP * 4095).astype(">u2").tobytes(),
        b"Pf 32 64 -1.0\n" + RAMP[::-1].tobytes(),
    ],
    ids=["float to 1", "16 bits in TIFF", "16 bits in PNG", "12 bits", "PGM to 4095", "PFM to 1"],
)
def test_deeper_images_keep_their_grey_where_white_is_known(data: bytes) -> None:
    found = decode_image(data)
    np.testing.assert_allclose(found, np.broadcast_to(255 * RAMP[..., None], found.shape), atol=1)


@pytest.mark.parametrize(
    ("grey", "told"),
    [
        (RAMP * 65535, "numbers with a point that are not all from 0 to 1"),
        (RAMP * 255, "numbers with a point that are not all from 0 to 1"),
        (RAMP - 0.5, "numbers with a point that are not all from 0 to 1"),
        (np.where(RAMP > 0.5, np.nan, RAMP), "numbers with a point that are not all from 0 to 1"),
        ((RAMP * 255).astype(np.int32), "whole numbers of 32 bits"),
        ((RAMP * 4095).astype(np.uint16), "16 bits a pixel of which 12 or fewer are used"),
    ],
    ids=["float to 65535", "float to 255", "float under 0", "nan", "32 bits", "12 bits in 16"],
)
def test_deeper_images_whose_white_is_not_known_are_refused(grey: np.ndarray, told: str) -> None:
    with pytest.raises(ImageError, match=f"^deep.tif: {told}, so white is not known; save it with 8 bits a pixel"):
        decode_image(encoded(Image.fromarray(grey), "TIFF"), "deep.tif")


def test_black_of_16_bits_is_black() -> None:
    assert not decode_image(encoded(Image.new("I;16", (6, 4)), "PNG")).any()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "PA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    grey = Image.new("L", (6, 4), 100)
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 6), 100 * 256 + 7, np.uint16))
    else:
        image = grey.convert("RGB").convert("RGBA" if mode == "PA" else mode)
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    if mode == "PA":  # A palette with transparency per entry.
        image = image.quantize(4)
    array = decode_image(encoded(image, kind))
    assert array.shape == (4, 6, 3)
    expected = 0 if mode == "1" else 100
    if mode == "1":
        assert set(np.unique(array)) <= {0, 255}
    else:
        assert np.abs(array.astype(int) - expected).max() <= 2


def test_transparency_is_dropped_not_painted() -> None:
    image = Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    assert decode_image(encoded(image))[0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = np.repeat(np.repeat(PIXELS, 8, 0), 8, 1)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    array = decode_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **options))
    assert array.shape == upright.shape
    inner = np.abs(array.astype(int) - upright)
    assert np.median(inner) <= 3
    assert inner.mean() < 6


@pytest.mark.filterwarnings("ignore")
def test_damaged_exif_is_no_reason_to_refuse() -> None:
    data = encoded(Image.fromarray(PIXELS), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff garbage")
    assert decode_image(data).shape == (4, 6, 3)


def exif_block(*entries: bytes) -> bytes:
    """An EXIF block of these 12-byte entries."""
    return b"Exif\0\0" + struct.pack(">2sHIH", b"MM", 42, 8, len(entries)) + b"".join(entries) + b"\0" * 4


ON_ITS_SIDE = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "other",
    [
        struct.pack(">HHII", 0x010F, 2, 400, 9999),  # a camera maker's name beyond the end
        struct.pack(">HHII", 0x8769, 4, 1, 9999),  # further tags beyond the end
        struct.pack(">HHI4s", 0x011A, 2, 2, b"\xff\xfe\0\0"),  # a resolution that is text
        struct.pack(">HHIi", 0x0100, 9, 1, -5),  # a negative width
    ],
)
def test_an_orientation_is_applied_though_other_tags_are_damaged(other: bytes) -> None:
    exif = exif_block(ON_ITS_SIDE, other)
    assert decode_image(encoded(Image.fromarray(PIXELS), "JPEG", exif=exif)).shape == (6, 4, 3)


def test_cut_off_is_told_of_a_turned_image_too() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = encoded(Image.fromarray(noise), "JPEG", exif=exif_block(ON_ITS_SIDE))
    with pytest.raises(ImageError, match="corrupt or cut-off"):
        decode_image(whole[: len(whole) // 2])


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.filterwarnings("ignore")
def test_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    for size in ((40_000, 40_000), (10_000, 9_000), (2**31 - 1, 2**31 - 1)):
        path = tmp_path / f"bomb{size[0]}.png"
        path.write_bytes(png_that_declares(*size))
        with pytest.raises(ImageError, match="over the limit of 50 million pixels") as error:
            read_image(path)
        assert one_line(error, path.name)


def test_limits_are_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    assert read_image(path, max_bytes=path.stat().st_size, max_pixels=24).shape == (4, 6, 3)
    with pytest.raises(ImageError, match=r"a\.png: .*MiB"):
        read_image(path, max_bytes=path.stat().st_size - 1)
    with pytest.raises(ImageError, match=r"a\.png: 6 × 4 pixels"):
        read_image(path, max_pixels=23)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF"])
def test_cut_off_anywhere_is_an_image_error_or_a_whole_image(kind: str) -> None:
    random = np.random.default_rng(0)
    whole = encoded(Image.fromarray(random.integers(0, 256, (32, 16, 3)).astype(np.uint8)), kind)
    refused = whole_ones = 0
    lengths = range(1, len(whole), max(1, len(whole) // 40))
    for length in lengths:
        try:
            array = decode_image(whole[:length], "cut")
        except ImageError as error:
            refused += re.fullmatch(r"cut: [^\n]+", str(error)) is not None
        else:
            assert array.shape == (32, 16, 3)
            whole_ones += 1
    assert refused + whole_ones == len(lengths)
    assert refused >= 30


@pytest.mark.filterwarnings("ignore")  # Pillow warns of each oddity it meets.
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF"])
def test_flipped_bytes_never_raise_anything_else(kind: str) -> None:
    random = np.random.default_rng(1)
    whole = encoded(Image.fromarray(random.integers(0, 256, (16, 8, 3)).astype(np.uint8)), kind)
    for _ in range(200):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert decode_image(bytes(data)).dtype == np.uint8


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    expected = {
        "text.jpg": "not an image",
        "empty.jpg": "empty file",
        "folder.jpg": "folder",
        "pipe.jpg": "not a regular file",
        "dangling.jpg": "no such file",
        "absent.jpg": "no such file",
    }
    for name, words in expected.items():
        with pytest.raises(ImageError, match=words) as error:
            read_image(tmp_path / name)
        assert one_line(error, name)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image("nul\0byte.jpg")


def test_postscript_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(ImageError, match="not an image"):
        read_image(tmp_path / "a.jpg")


def test_list_images_is_sorted_recursive_and_ends_in_loops(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.jpeg", ".hidden.jpg", "notes.txt", ".cache/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "b")
    found = list_images(tmp_path)
    assert found == sorted(found)
    assert len(found) == 3
    assert {os.path.realpath(path) for path in found} == {
        str(tmp_path / name) for name in ("a.jpeg", "b/1.png", "b/2.JPG")
    }
    assert image_names(tmp_path) == ["a.jpeg"]


def test_list_images_follows_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.jpg").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "store")
    assert list_images(tmp_path / "data") == [str(tmp_path / "data" / "link" / "a.jpg")]


def test_list_images_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "query").touch()
    assert list_images(tmp_path / "query") == [str(tmp_path / "query")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        list_images(tmp_path / "empty")
    with pytest.raises(DataError, match="no such file or folder"):
        list_images(tmp_path / "absent")
