"""Others' training and embedding, for comparison: torchreid from its source, and a plain loop in the style of the field.

torchreid is not part of this repository: `git clone https://github.com/KaiyangZhou/deep-person-reid` and give the folder.
Nothing in it is changed or compiled. Where `cv2` or `gdown` are missing, which it imports to draw and to fetch, empty
modules take their place; neither is used here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from resight.records import Record

__all__ = ["plain_epoch", "torchreid_epoch", "torchreid_extractor"]

_DRAWS_AND_FETCHES = ("cv2", "gdown")


def _torchreid(folder: Path) -> Any:
    for name in _DRAWS_AND_FETCHES:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)
    sys.path.insert(0, str(folder))
    with warnings.catch_warnings(action="ignore"):
        import torchreid

    return torchreid


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _their_network(backbone: str, classes: int, last_stride: int, loss: str) -> nn.Module:
    from torchreid.models.resnet import BasicBlock, Bottleneck, ResNet

    block, layers = {"resnet18": (BasicBlock, [2, 2, 2, 2]), "resnet50": (Bottleneck, [3, 4, 6, 3])}[backbone]
    return ResNet(classes, loss, block, layers, last_stride=last_stride)


def torchreid_epoch(
    folder: Path, records: Sequence[Record], size: tuple[int, int], backbone: str, last_stride: int, **options: Any
) -> Callable[[], int]:
    """One epoch of torchreid's own loop, engine, data manager and sampler; the call returns the number of its images.

    `options` are `batch`, `workers` and `device`.
    """
    torchreid = _torchreid(folder)
    labels = {identity: number for number, identity in enumerate(sorted({record.identity for record in records}))}
    train = [(record.path, labels[record.identity], record.camera) for record in records]

    class Crops(torchreid.data.ImageDataset):  # type: ignore[name-defined, misc]
        def __init__(self, root: str = "", **more: Any) -> None:
            aside = [(path, identity, camera + 100) for path, identity, camera in train[:8]]
            super().__init__(train, train[:8], aside, **more)

    torchreid.data.register_image_dataset("crops", Crops)
    gpu = options["device"] != "cpu"
    with _silent():
        data = torchreid.data.ImageDataManager(
            sources="crops",
            height=size[0],
            width=size[1],
            transforms=["random_flip", "random_crop", "random_erase"],
            batch_size_train=options["batch"],
            workers=options["workers"],
            train_sampler="RandomIdentitySampler",
            use_gpu=gpu,
        )
        network: nn.Module = _their_network(backbone, data.num_train_pids, last_stride, "triplet")
        if gpu:
            network = nn.DataParallel(network).cuda()  # as its own script does
        optimiser = torchreid.optim.build_optimizer(network, optim="adam", lr=3.5e-4)
        engine = torchreid.engine.ImageTripletEngine(data, network, optimiser, use_gpu=gpu)
    engine.max_epoch = 1

    def epoch() -> int:
        with _silent():
            engine.train()
        return engine.num_batches * options["batch"]

    return epoch


def torchreid_extractor(
    folder: Path, size: tuple[int, int], backbone: str, last_stride: int, device: str
) -> Callable[[list[str]], torch.Tensor]:
    """torchreid's FeatureExtractor, with a network of the given last stride."""
    _torchreid(folder)
    from torchreid.utils import FeatureExtractor

    with _silent(), tempfile.NamedTemporaryFile(suffix=".pth") as nothing, warnings.catch_warnings(action="ignore"):
        torch.save({}, nothing.name)  # a file of weights, so that none are fetched
        extractor = FeatureExtractor("resnet18", nothing.name, size, device=device, verbose=False)
    extractor.model = _their_network(backbone, 1, last_stride, "softmax").eval().to(device)
    return extractor


class _Files(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, records: Sequence[Record], size: tuple[int, int]) -> None:
        numbers = {identity: number for number, identity in enumerate(sorted({record.identity for record in records}))}
        self.items = [(record.path, numbers[record.identity]) for record in records]
        self.change = transforms.Compose(
            [
                transforms.Resize(size),
                transforms.RandomHorizontalFlip(),
                transforms.Pad(10),
                transforms.RandomCrop(size),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
                transforms.RandomErasing(0.5),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.items[index]
        return self.change(Image.open(path).convert("RGB")), label


class _Plain(nn.Module):
    def __init__(self, backbone: str, classes: int, last_stride: int) -> None:
        super().__init__()
        from resight.models.backbone import Backbone

        self.backbone = Backbone(backbone, pretrained=False, last_stride=last_stride)
        self.neck = nn.BatchNorm1d(self.backbone.dim)
        self.classifier = nn.Linear(self.backbone.dim, classes, bias=False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        feature = self.backbone(images)
        return feature, self.classifier(self.neck(feature))


def plain_epoch(
    records: Sequence[Record], size: tuple[int, int], backbone: str, last_stride: int, **options: Any
) -> Callable[[], int]:
    """One epoch of a loop as reid-strong-baseline's and its descendants have it: float32, an `.item()` at each step.

    It draws images at random, four of each identity side by side as their samplers do. `options` as in `torchreid_epoch`.
    """
    files, device = _Files(records, size), options["device"]
    by_identity: dict[int, list[int]] = {}
    for place, (_, label) in enumerate(files.items):
        by_identity.setdefault(label, []).append(place)
    order = [place for places in by_identity.values() for place in places[: len(places) // 4 * 4]]
    loader = DataLoader(
        files,
        options["batch"],
        sampler=order,
        num_workers=options["workers"],
        drop_last=True,
        pin_memory=device != "cpu",
    )
    network = _Plain(backbone, len(by_identity), last_stride).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=3.5e-4, weight_decay=5e-4)

    def epoch() -> int:
        total = 0.0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            features, logits = network(images)
            loss = F.cross_entropy(logits, labels, label_smoothing=0.1) + _batch_hard(features, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        return len(loader) * options["batch"]

    return epoch


def _batch_hard(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    distances = torch.cdist(features, features)
    same = labels[:, None] == labels[None, :]
    far = distances.masked_fill(~same, -1).amax(1)
    near = distances.masked_fill(same, float("inf")).amin(1)
    return F.margin_ranking_loss(near, far, torch.ones_like(near), margin=0.3)
