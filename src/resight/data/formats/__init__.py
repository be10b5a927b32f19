"""Datasets by name: one reader a file, and the table that a `--data name:path` is looked up in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from resight.data.formats.course import is_course, read_course
from resight.data.formats.cuhk03np import is_cuhk03np, read_cuhk03np
from resight.data.formats.dukemtmc import is_dukemtmc, read_dukemtmc
from resight.data.formats.folders import is_folders, read_folders
from resight.data.formats.manifest import is_manifest, read_manifest
from resight.data.formats.market1501 import is_market1501, read_market1501
from resight.data.formats.masks import is_masks, read_masks
from resight.data.formats.msmt17 import is_msmt17, read_msmt17
from resight.data.formats.vehicleid import is_vehicleid, read_vehicleid
from resight.data.formats.veri776 import is_veri776, read_veri776
from resight.data.formats.veriwild import is_veriwild, read_veriwild
from resight.data.formats.viper import is_viper, read_viper
from resight.errors import DataError, did_you_mean
from resight.records import ReidDataset

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "VARIANTS",
    "absolute_spec",
    "data_options",
    "describe_format",
    "detect_format",
    "read_dataset",
]

FORMATS: dict[str, Callable[[str], ReidDataset]] = {
    "market1501": read_market1501,
    "dukemtmc": read_dukemtmc,
    "cuhk03np": read_cuhk03np,
    "msmt17": read_msmt17,
    "msmt17-trainval": partial(read_msmt17, validation=True),
    "viper": read_viper,
    "course": read_course,
    "veri776": read_veri776,
    "veriwild": read_veriwild,
    "veriwild-5000": partial(read_veriwild, vehicles=5000),
    "veriwild-10000": partial(read_veriwild, vehicles=10000),
    "vehicleid": read_vehicleid,
    "vehicleid-1600": partial(read_vehicleid, vehicles=1600),
    "vehicleid-2400": partial(read_vehicleid, vehicles=2400),
    "folders": read_folders,
    "manifest": read_manifest,
    "masks": read_masks,
}
"""Format name -> its reader."""

VARIANTS = {
    "msmt17-trainval": "as msmt17, trained on the images of list_val.txt too",
    "veriwild-5000": "as veriwild, tested on 5,000 vehicles",
    "veriwild-10000": "as veriwild, tested on 10,000 vehicles",
    "vehicleid-1600": "as vehicleid, tested on 1,600 vehicles",
    "vehicleid-2400": "as vehicleid, tested on 2,400 vehicles",
}
"""What a format that reads another one's files makes of them."""

LAYOUTS: dict[str, Callable[[Path], bool]] = {
    "market1501": is_market1501,
    "dukemtmc": is_dukemtmc,
    "cuhk03np": is_cuhk03np,
    "msmt17": is_msmt17,
    "viper": is_viper,
    "course": is_course,
    "veri776": is_veri776,
    "veriwild": is_veriwild,
    "vehicleid": is_vehicleid,
    "manifest": is_manifest,
    "masks": is_masks,
}
"""Formats that are recognised by their layout when only a path is given; not every format has such a layout.

`folders` fits nearly everything, so it is tried when none of these fits.
"""


def describe_format(name: str) -> str:
    """What a format is: the first paragraph of its reader's file, or what a variant makes of another format's."""
    if name in VARIANTS:
        return VARIANTS[name]
    text = inspect.getdoc(inspect.getmodule(FORMATS[name])) or ""
    return " ".join(text.partition("\n\n")[0].split())


def absolute_spec(spec: str) -> str:
    """The dataset's name with an absolute path, valid in any folder: `folders:crops` -> `folders:/home/me/crops`."""
    name, colon, path = spec.partition(":")
    if colon and name in FORMATS:
        return f"{name}:{Path(path).expanduser().absolute()}"
    return str(Path(spec).expanduser().absolute())


def data_options(specs: Sequence[str]) -> list[str]:
    """Datasets as a command takes them: `--data A --data B`."""
    return [part for spec in specs for part in ("--data", spec)]


def read_dataset(spec: str) -> ReidDataset:
    """Read a dataset named `format:path`, or a bare path whose layout says what it is.

    `read_dataset("market1501:/data/Market-1501-v15.09.15")`

    Raises DataError for an unknown format (listing the known ones), a path that does not exist, a layout
    that fits no format or several, and whatever the reader finds wrong.
    """
    name, colon, path = spec.partition(":")
    if colon and name in FORMATS:
        if not path:
            raise DataError(f"{spec!r}: no path after the colon; write {name}:PATH")
        return FORMATS[name](path)
    bare = Path(spec).expanduser()
    if spec and bare.exists():
        return FORMATS[detect_format(bare)](str(bare))
    if colon and not Path(name).expanduser().exists() and "/" not in name:
        raise DataError(f"unknown dataset format {name!r}{did_you_mean(name, FORMATS)}; there is: {', '.join(FORMATS)}")
    raise DataError(f"{spec}: no such file or folder; name a dataset as FORMAT:PATH with {', '.join(FORMATS)}")


def detect_format(path: Path) -> str:
    """Name of the format that a file or folder is laid out as. Raises DataError when none or several fit."""
    fitting = [name for name, fits in LAYOUTS.items() if fits(path)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and is_folders(path):
        return "folders"
    if fitting:
        raise DataError(f"{path}: could be {' or '.join(fitting)}; write which, as {fitting[0]}:{path}")
    inner = [child for child in sorted(path.iterdir()) if child.is_dir()] if path.is_dir() else []
    deeper = next((child for child in inner if any(fits(child) for fits in LAYOUTS.values())), None)
    if deeper:
        raise DataError(f"{path}: layout not recognised; did you mean {deeper}?")
    raise DataError(f"{path}: layout not recognised; name the format, as FORMAT:{path} with {', '.join(FORMATS)}")
