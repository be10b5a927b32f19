"""FastReID's layout: `backbone.*`, `heads.*`, and the mean and deviation of pixels from 0 to 255.

There are two generations, which their keys tell apart. Until September 2020 the neck is `heads.bnneck`, and the first
max pooling that of any ResNet; since then the neck is `heads.bottleneck.0` and the pooling, changed a month before, has
no padding at its left and top. (Files of that month need the backbone that begins with fastreid_, as a key.) Its GeM has a learned
exponent, `heads.pool_layer.p`, but for the AGW of later versions, whose exponent is 3. Images are RGB, resized by
bicubic interpolation; embeddings are those after the neck, and cosine distance compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import torch
from torch import Tensor

from resight.importing.layout import Architecture, Keys
from resight.importing.torchreid import CLASSIFIER
from resight.models.resnet import BLOCKS, NON_LOCAL

__all__ = ["ARCHITECTURES"]

_PREPARATION = "the preparation of pixels, which is in the recipe"
_DROPPED = {
    "heads.weight": CLASSIFIER,
    "heads.classifier.": CLASSIFIER,
    "heads.cls_layer.": CLASSIFIER,
    "pixel_mean": _PREPARATION,
    "pixel_std": _PREPARATION,
}


def _keys(depth: int, ending: str, gem: bool) -> Callable[[Mapping[str, Tensor]], Keys]:
    def keys(tensors: Mapping[str, Tensor]) -> Keys:
        old = any(key.startswith("heads.bnneck.") for key in tensors)
        exponent = "heads.pool_layer.p" in tensors
        pooling = "gem" if gem or exponent else "average"
        stem = "" if old else "fastreid_"
        overrides = [f"model.backbone={stem}resnet{depth}{ending}", f"model.pooling={pooling}", *_pixels(tensors)]
        notes = [f"heads as {'before' if old else 'since'} September 2020, {pooling} pooling"]
        given = {}
        if gem and not exponent and not old:
            given = {"heads.pool_layer.p": torch.tensor(3.0)}
            notes.append("the exponent of its GeM is fixed at 3")
        return Keys(lambda key: _renamed(key, depth), _DROPPED, given, tuple(overrides), tuple(notes))

    return keys


def _renamed(key: str, depth: int) -> str:
    for start, ours in (
        ("heads.bnneck.", "neck."),
        ("heads.bottleneck.0.", "neck."),
        ("heads.pool_layer.", "backbone.pool."),
    ):
        if key.startswith(start):
            return ours + key.removeprefix(start)
    if found := re.fullmatch(r"backbone\.NL_(\d)\.(\d+)\.(.+)", key):
        # Ours stand in the blocks that they follow: the last ones of their stage.
        stage, place = int(found[1]) - 1, int(found[2])
        block = BLOCKS[depth][stage] - NON_LOCAL.get(depth, (0, 0, 0, 0))[stage] + place
        return f"backbone.trunk.layer{stage + 1}.{block}.non_local.{found[3]}"
    return "backbone.trunk." + key.removeprefix("backbone.") if key.startswith("backbone.") else key


def _pixels(tensors: Mapping[str, Tensor]) -> list[str]:
    """The preparation that the file holds, for pixels from 0 to 1; later versions keep none and have ImageNet's."""
    named = {"pixel_mean": "image.mean", "pixel_std": "image.std"}
    return [
        f"{ours}={[round(value / 255, 6) for value in tensors[key].flatten().tolist()]}"
        for key, ours in named.items()
        if key in tensors
    ]


def _architecture(method: str, depth: int, ibn: bool) -> Architecture:
    non_local = method != "bot" and depth in NON_LOCAL
    ending = f"{'_ibn_a' if ibn else ''}{'_nl' if non_local else ''}"
    overrides: Sequence[str] = (
        f"image.height={384 if method == 'sbs' else 256}",
        "image.width=128",
        "image.interpolation=bicubic",
        "model.pretrained=false",
        "model.last_stride=1",
        "model.neck=batchnorm",
        "model.retrieval=after-neck",
        "retrieval.metric=cosine",
    )
    return Architecture("reid-strong-baseline", tuple(overrides), _keys(depth, ending, gem=method != "bot"))


ARCHITECTURES: dict[str, Architecture] = {
    f"fastreid:{method}_R{depth}{'-ibn' if ibn else ''}": _architecture(method, depth, ibn)
    for method, depth, ibn in product(("bot", "agw", "sbs"), BLOCKS, (False, True))
}
"""As its files are called, without the dataset: market_sbs_R50-ibn.pth is fastreid:sbs_R50-ibn."""
