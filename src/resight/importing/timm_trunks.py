"""timm's layout: a trunk with or without its classifier, and the preparation that timm states for its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from resight.importing.layout import Architecture, Keys
from resight.models.backbone import CLASSIFIERS, create_trunk

__all__ = ["timm_architecture"]

_INTERPOLATIONS = {"bilinear", "bicubic", "nearest"}


def timm_architecture(name: str, stated: Mapping[str, Any] | None = None) -> Architecture:
    """A timm model by name, whose embedding is its pooled feature.

    >>> timm_architecture("swin_tiny_patch4_window7_224.ms_in1k").overrides

    `stated` is the configuration that came with the weights; without it timm's own for that name counts. Raises
    RecipeError for a name that timm does not have.
    """
    trunk = create_trunk(name, pretrained=False).eval()
    found = timm.get_pretrained_cfg(name)
    facts = {**(found.to_dict() if found is not None else {}), **(stated or {})}
    _, height, width = facts.get("input_size", (3, 224, 224))
    interpolation = facts.get("interpolation", "bilinear")
    model = f"{{name: strong-baseline, backbone: {name}, pretrained: false, last_stride: 2, neck: none}}"
    overrides = (
        f"model={model}",
        f"image.height={height}",
        f"image.width={width}",
        f"image.interpolation={interpolation if interpolation in _INTERPOLATIONS else 'bicubic'}",
        f"image.mean={list(facts.get('mean', (0.485, 0.456, 0.406)))}",
        f"image.std={list(facts.get('std', (0.229, 0.224, 0.225)))}",
        "retrieval.metric=cosine",
    )
    classifiers = [start for start in CLASSIFIERS if not any(key.startswith(start) for key in trunk.state_dict())]
    notes = () if _pools_as_here(trunk, height, width) else ("timm's own layers after the pooling are left out",)

    def keys(tensors: Mapping[str, Tensor]) -> Keys:
        return Keys(lambda key: f"backbone.trunk.{key}", dict.fromkeys(classifiers, "timm's classifier"), notes=notes)

    return Architecture("reid-strong-baseline", overrides, keys)


@torch.inference_mode()
def _pools_as_here(trunk: nn.Module, height: int, width: int) -> bool:
    """Whether timm's feature is what `resight.models.backbone.Backbone` makes of the trunk's maps."""
    images = torch.rand(1, 3, height, width)
    maps = trunk.forward_features(images)  # type: ignore[operator]
    if maps.ndim != 4 or maps.shape[1] != trunk.num_features:
        return True
    theirs = trunk(images)
    return theirs.shape == maps.shape[:2] and bool(torch.allclose(theirs, maps.mean((2, 3)), atol=1e-4, rtol=1e-3))
