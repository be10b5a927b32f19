"""Backbones: any model of timm or of `resight.models.resnet`, ImageNet weights or none, last stride 1 or 2."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import timm
from timm.models import adapt_input_conv
from torch import Tensor, nn

from resight.errors import RecipeError, WeightsError, did_you_mean
from resight.models.layers import POOLINGS
from resight.models.resnet import PUBLISHED, RESNETS, ResNet
from resight.models.weights import WeightsFile, fit, read_checkpoint

__all__ = ["CLASSIFIERS", "STAGES", "Backbone", "create_trunk", "require_stages"]

STAGES = ("layer1", "layer2", "layer3", "layer4")
"""timm's names of the four stages of a ResNet and its relatives."""


class Backbone(nn.Module):
    """A trunk and the pooling after it: (batch, 3, height, width) -> (batch, dim).

    >>> Backbone("resnet50.tv_in1k", pretrained=True, last_stride=1, pooling="average").dim
    2048

    `name` is a model of timm, whose tag selects the weights (without one timm chooses them, and may choose others in
    another version), or a key of `RESNETS`. A trunk that yields no (batch, channels, height, width) maps, such as a
    transformer, pools in its own way and takes `pooling="average"` only. Input `channels` after the third start with the
    weights of the first ones. `weights` is as in `create_trunk`. Raises RecipeError for an unknown name or an unsupported
    stride, WeightsError when weights cannot be fetched or do not fit.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool,
        last_stride: int = 2,
        pooling: str = "average",
        image_size: tuple[int, int] | None = None,
        channels: int = 3,
        weights: WeightsFile = None,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise RecipeError(
                f"no pooling {pooling!r}{did_you_mean(pooling, POOLINGS)}; there is: {', '.join(POOLINGS)}"
            )
        self.trunk = create_trunk(name, pretrained, image_size, weights, in_chans=channels)
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


def create_trunk(
    name: str,
    pretrained: bool,
    image_size: tuple[int, int] | None = None,
    weights: WeightsFile = None,
    **options: Any,
) -> nn.Module:
    """A network without its classifier: a key of `RESNETS`, or a model of timm.

    >>> create_trunk("resnet50.tv_in1k", pretrained=True)  # PyTorch's own weights, not timm's choice

    `image_size` (height, width) is given to those that take it (transformers). `weights` is a file with the network's
    weights, or a run's `model.safetensors` with such a backbone; then nothing is fetched, whatever `pretrained` says.
    Raises RecipeError for a name or a tag that is not known, WeightsError when weights cannot be fetched or do not fit.
    """
    if name in RESNETS:
        trunk: nn.Module = ResNet(**{**RESNETS[name], **options})
        if pretrained and weights is None:
            where = f"get {PUBLISHED[name]} and give it as" if name in PUBLISHED else "give a file with"
            raise WeightsError(
                f"weights of {name} are not fetched; {where} model.weights=FILE, or train from scratch with "
                "model.pretrained=false"
            )
    else:
        trunk = _create_timm_model(name, pretrained and weights is None, image_size, options)
    if weights is not None:
        _load(trunk, weights)
    return trunk


def _load(trunk: nn.Module, file: str) -> None:
    """Load a file of the trunk's weights, with or without a classifier, or of a run's whose backbone it is."""
    tensors = read_checkpoint(file).tensors
    inside = {key.removeprefix(_INSIDE): tensor for key, tensor in tensors.items() if key.startswith(_INSIDE)}
    state = trunk.state_dict()
    adapted = {key: _with_channels_of(state.get(key), tensor) for key, tensor in (inside or tensors).items()}
    # Those of timm's and others' names for it that the trunk does not itself have.
    classifiers = tuple(start for start in CLASSIFIERS if not any(key.startswith(start) for key in state))
    fit(trunk, adapted, dropped=dict.fromkeys(classifiers, "classifier"), source=f"model.weights={file}")


_INSIDE = "backbone.trunk."
"""The beginning of a backbone's names in the weights of a run."""
CLASSIFIERS = ("fc.", "classifier.", "head.", "head.fc.", "head_dist.", "last_linear.")
"""Beginnings of classifiers' keys in files of ImageNet weights."""


def _with_channels_of(wanted: Tensor | None, tensor: Tensor) -> Tensor:
    """The weights of a first convolution on colours, for as many channels as the trunk's has."""
    if wanted is None or tensor.ndim != 4 or tensor.shape[1] != 3 or tensor[:, :1].shape != wanted[:, :1].shape:
        return tensor
    return adapt_input_conv(wanted.shape[1], tensor)


def _create_timm_model(
    name: str, pretrained: bool, image_size: tuple[int, int] | None, options: Mapping[str, Any]
) -> nn.Module:
    _check_name(name)
    options = dict(options)
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
            "cache, give a file that you have with model.weights=FILE, or train from scratch with "
            "model.pretrained=false"
        ) from error


def _check_name(name: str) -> None:
    """Raise RecipeError, with the nearest names, unless timm has this model, and these weights where there is a tag."""
    architecture, dot, tag = name.partition(".")
    if not timm.is_model(architecture):
        known = timm.list_pretrained() if dot else [*timm.list_models(), *RESNETS]
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
