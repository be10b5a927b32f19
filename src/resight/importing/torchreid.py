"""torchreid's layout, which BoxMOT's files of the same networks share.

`conv1.conv.weight` and so on for OSNet, torchvision's names for ResNets, `fc.0` and `fc.1` for a layer after the
pooling, and `classifier`. Images are RGB, resized by antialiased bilinear interpolation to 256×128 and normalised as
ImageNet's; its published figures compare by Euclidean distance, those of the AIN variant by cosine.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from resight.importing.layout import Architecture, Keys

__all__ = ["ARCHITECTURES"]

_IMAGE = ("image.height=256", "image.width=128")
_TRUNK = "backbone.trunk."
_PLAIN = "pretrained: false, last_stride: 2, neck: none, classifier_bias: true"
CLASSIFIER = "the classifier of the identities that it was trained on"


def _osnet(tensors: Mapping[str, Tensor]) -> Keys:
    return Keys(dropped={"classifier.": CLASSIFIER})


def _resnet(tensors: Mapping[str, Tensor]) -> Keys:
    return Keys(lambda key: _TRUNK + key, {"classifier.": CLASSIFIER})


def _resnet_with_fc(tensors: Mapping[str, Tensor]) -> Keys:
    def rename(key: str) -> str:
        return key.replace("fc.", "embedding.", 1) if key.startswith("fc.") else _TRUNK + key

    return Keys(rename, {"classifier.": CLASSIFIER})


def _osnet_of(multiplier: float, normalisation: str = "batch", metric: str = "euclidean") -> Architecture:
    options = (
        f"model.multiplier={multiplier}",
        f"model.normalisation={normalisation}",
        f"retrieval.metric={metric}",
    )
    return Architecture("reid-osnet", (*_IMAGE, *options), _osnet)


def _resnet_of(backbone: str) -> Architecture:
    model = f"{{name: strong-baseline, backbone: {backbone}, {_PLAIN}}}"
    return Architecture("reid-strong-baseline", (*_IMAGE, f"model={model}", "retrieval.metric=euclidean"), _resnet)


_FC = "head: fc-bn-relu-fc, embedding: 512, last_stride: 1"
_WIDTHS = {"x1_0": 1.0, "x0_75": 0.75, "x0_5": 0.5, "x0_25": 0.25}

ARCHITECTURES: dict[str, Architecture] = {
    **{f"osnet_{name}": _osnet_of(multiplier) for name, multiplier in _WIDTHS.items()},
    "osnet_ibn_x1_0": _osnet_of(1.0, "ibn"),
    **{f"osnet_ain_{name}": _osnet_of(multiplier, "ain", "cosine") for name, multiplier in _WIDTHS.items()},
    **{
        f"torchreid:{name}": _resnet_of(name)
        for name in (
            "resnet18",
            "resnet34",
            "resnet50",
            "resnet101",
            "resnet152",
            "resnext50_32x4d",
            "resnext101_32x8d",
        )
    },
    **{f"torchreid:{name}": _resnet_of(name) for name in ("resnet50_ibn_a", "resnet50_ibn_b")},
    "torchreid:resnet50_fc512": Architecture(
        "reid-strong-baseline",
        (
            *_IMAGE,
            f"model={{name: embedding-network, backbone: resnet50, pretrained: false, {_FC}}}",
            "retrieval.metric=euclidean",
        ),
        _resnet_with_fc,
    ),
}
"""torchreid's names; those that other layouts have too say whose they are."""
