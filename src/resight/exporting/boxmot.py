"""A name and a side file by which BoxMOT runs an exported ONNX file, and what it cannot be told.

Read from BoxMOT's source (`boxmot/reid`): its older versions learn everything from the file's name, its newer ones read
FILE.metadata.json first. The versions stand side by side in use, so that both are given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from resight.runtimes.config import ReidConfig

__all__ = ["BoxMot", "boxmot"]

KNOWN = (
    "resnet50",
    "resnet101",
    "mlfn",
    "hacnn",
    "mobilenetv2_x1_0",
    "mobilenetv2_x1_4",
    "osnet_x1_0",
    "osnet_x0_75",
    "osnet_x0_5",
    "osnet_x0_25",
    "osnet_ibn_x1_0",
    "osnet_ain_x1_0",
    "lmbn_n",
    "clip",
)
"""Networks by which it knows a file; the longest name that the file's contains counts."""

_STAND_IN = "osnet_x1_0"
_SIZE = (256, 128)
_SQUARE = (256, 256)
"""The sizes that a name can tell; the second where it contains `veri`."""
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class BoxMot(NamedTuple):
    """How to call a file for BoxMOT."""

    name: str
    """The file's."""
    side_file: str
    """The text of NAME.metadata.json."""
    warnings: tuple[str, ...]
    """What BoxMOT does otherwise than the run, a sentence each."""


def boxmot(config: ReidConfig, architectures: Sequence[str], data: Sequence[str], sha256: str, classes: int) -> BoxMot:
    """Name and side file for the ONNX file of a run.

    `architectures` are names of the run's network, the surest first; `data` the datasets that it was trained on, as
    `--data` takes them; `sha256` that of its weights; `classes` the identities that it was trained on.
    """
    told = config.preprocessing
    warnings = []
    known = [name for words in architectures for name in sorted(KNOWN, key=len, reverse=True) if name in _plain(words)]
    if not known:
        warnings.append(
            f"BoxMOT knows no {architectures[0]}: the file is called {_STAND_IN} so that it is opened at all; what runs "
            "is the exported network"
        )
    size = tuple(told.input_size)
    of = _dataset(data, square=size == _SQUARE)
    name = f"{(known or [_STAND_IN])[0]}_{of}.onnx"
    wanted = _SQUARE if "veri" in name else (160, 64) if "hacnn" in name else (384, 128) if "lmbn" in name else _SIZE
    if size != wanted:
        warnings.append(
            f"images are {size[0]}×{size[1]}: older versions read the size from the name and take {wanted[0]}×{wanted[1]}, "
            "which this file refuses; newer ones read the side file"
        )
    if (tuple(told.mean), tuple(told.std)) != _IMAGENET or not told.to_rgb:
        warnings.append(
            "it normalises images by ImageNet's mean and deviation in RGB, this run by its own; its features will be wrong"
        )
    if told.resize_mode == "letterbox":
        warnings.append("older versions squash images, where the run keeps their shape; newer ones read the side file")
    warnings.append("it resizes without antialiasing, the run with: large crops give other features")
    if config.flip:
        warnings.append("it embeds each image once, the run also its mirror image")
    if config.distance != "cosine":
        warnings.append(f"it compares embeddings by cosine, the run by {config.distance} distance")
    side = {
        "schema_version": 1,
        "source": config.architecture,
        "source_sha256": sha256,
        "model_name": name.rpartition(f"_{of}")[0],
        "num_classes": classes,
        "preprocess": "resize_pad" if told.resize_mode == "letterbox" else "resize",
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": list(size)},
        "img_size": list(size),
    }
    return BoxMot(name, json.dumps(side, indent=2, sort_keys=True) + "\n", tuple(warnings))


def _dataset(data: Sequence[str], square: bool) -> str:
    """The part of the name after the network: the dataset's format, which may hold no other network and no size."""
    if square:
        return "veri"
    found = _plain(data[0].partition(":")[0]) if data else ""
    name = re.sub(r"[^a-z0-9]", "", found) or "resight"
    return "resight" if "veri" in name or "vehicleid" in name or any(other in name for other in KNOWN) else name


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
