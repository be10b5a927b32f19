"""Backbones from timm: any model name, ImageNet weights or none, last stride 1 or 2."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import timm
from torch import Tensor, nn

from resight.errors import RecipeError, WeightsError, did_you_mean
from resight.models.layers import POOLINGS

__all__ = ["STAGES", "Backbone", "create_timm_model", "require_stages"]

STAGES = ("layer1", "layer2", "layer3", "layer4")
"""timm's names of the four stages of a ResNet and its relatives."""


class Backbone(nn.Module):
    """A timm trunk and the pooling after it: (batch, 3, height, width) -> (batch, dim).

    >>> Backbone("resnet50.tv_in1k", pretrained=True, last_stride=1, pooling="average").dim
    2048

    The tag of a name selects the weights; without a tag timm chooses them, and may choose others in another version. A
    trunk that yields no (batch, channels, height, width) maps, such as a transformer, pools in its own way
    and takes `pooling="average"` only. Input `channels` after the third start with the weights of the first ones.
    Raises RecipeError for an unknown name or an unsupported stride, WeightsError when ImageNet weights cannot be
    fetched.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool,
        last_stride: int = 2,
        pooling: str = "average",
        image_size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise RecipeError(
                f"no pooling {pooling!r}{did_you_mean(pooling, POOLINGS)}; there is: {', '.join(POOLINGS)}"
            )
        self.trunk = create_timm_model(name, pretrained, image_size, in_chans=channels)
        if last_stride == 1:
            _set_last_stride(self.trunk, name)
        elif last_stride != 2:
            raise RecipeError(f"last_stride {last_stride}: 1 or 2")
        self.dim = int(self.trunk.num_features)  # type: ignore[arg-type]
        self.pooling = pooling
        self.pool = POOLINGS[pooling]()

    def maps(self, images: Tensor) -> Tensor:
        """The maps to pool: (batch, dim, height, width) for a convolutional trunk."""
        return self.trunk.forward_features(images)  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        if maps.ndim == 4 and maps.shape[1] == self.dim:
            return self.pool(maps)
        if self.pooling != "average":
            raise RecipeError(f"this backbone pools its own tokens; pooling {self.pooling!r} needs a convolutional one")
        return self.trunk.forward_head(maps, pre_logits=True)  # type: ignore[operator]


def create_timm_model(
    name: str, pretrained: bool, image_size: tuple[int, int] | None = None, **options: Any
) -> nn.Module:
    """A timm model without classifier; `image_size` (height, width) is given to those that take it (transformers).

    >>> create_timm_model("resnet50.tv_in1k", pretrained=True)  # PyTorch's own weights, not timm's choice

    Raises RecipeError for a name or a tag that timm does not have, WeightsError when weights cannot be fetched.
    """
    _check_name(name)
    if image_size is not None and "img_size" in _accepted(name):
        options["img_size"] = image_size
    # Offline, the hub client retries for most of a minute and logs every attempt; the error below is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except Exception as error:  # the hub client raises a different class for each way of being offline
        if not pretrained:
            raise
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        found = timm.get_pretrained_cfg(name)
        cache = "torch.hub" if found and found.url and not found.hf_hub_id else "Hugging Face"
        raise WeightsError(
            f"ImageNet weights of {name} cannot be fetched ({reason}); connect once, copy them into the {cache} "
            "cache, or train from scratch with model.pretrained=false"
        ) from error


def _check_name(name: str) -> None:
    """Raise RecipeError, with the nearest names, unless timm has this model, and these weights where there is a tag."""
    architecture, dot, tag = name.partition(".")
    if not timm.is_model(architecture):
        known = timm.list_pretrained() if dot else timm.list_models()
        raise RecipeError(f"timm has no model {name!r}{did_you_mean(name, known)}")
    tagged = timm.list_pretrained(architecture)
    if dot and name not in tagged:
        raise RecipeError(
            f"timm has no weights {tag!r} of {architecture}{did_you_mean(name, tagged)}; "
            f"there is: {', '.join(tagged) or 'none'}"
        )


def require_stages(trunk: nn.Module, name: str, remedy: str) -> None:
    """Raise RecipeError unless the trunk has a ResNet's four stages."""
    if not set(STAGES) <= {child for child, _ in trunk.named_children()}:
        raise RecipeError(f"{name} has no ResNet stages; {remedy}")


def _accepted(name: str) -> set[str]:
    module = inspect.getmodule(timm.model_entrypoint(name))
    # timm's entry points all end in **kwargs, so the source file has to show whether they take an image size.
    return {"img_size"} if module is not None and "img_size" in inspect.getsource(module) else set()


def _set_last_stride(trunk: nn.Module, name: str) -> None:
    """Give a ResNet's fourth stage stride 1 in place, keeping every weight (Luo et al. 2019, section 3.5).

    timm's `output_stride=16` would dilate the convolutions as well, which is another network.
    """
    require_stages(trunk, name, "set model.last_stride=2")
    for module in trunk.layer4[0].modules():  # type: ignore[index,union-attr]
        if isinstance(module, nn.Conv2d | nn.AvgPool2d | nn.MaxPool2d) and module.stride in (2, (2, 2)):
            module.stride = 1 if isinstance(module.stride, int) else (1, 1)
            if not isinstance(module, nn.Conv2d) and module.kernel_size in (2, (2, 2)):
                module.kernel_size = 1 if isinstance(module.kernel_size, int) else (1, 1)
