"""Maps: what each place adds to a similarity, against values worked out by hand, on the networks that people train."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resight.errors import RunError
from resight.models import MODELS
from resight.models.unet import UNet
from resight.recipe import Recipe
from resight.recognizer import Recognizer
from resight.tasks.reid.feature_maps import match_maps, stage_maps

TinyRecipe = Callable[..., Recipe]


class Plain(nn.Module):
    """One convolution of size 1, a pooling and a linear layer: all can be followed by hand."""

    def __init__(self, pooling: str, bias: bool) -> None:
        super().__init__()
        self.dim = 5
        self.maps = nn.Conv2d(3, 4, 1)
        self.pooling = pooling
        self.head = nn.Linear(4, 5, bias=bias)

    def embed(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        pooled = maps.mean((2, 3)) if self.pooling == "average" else maps.amax((2, 3))
        return self.head(pooled)


class TwoEnds(nn.Module):
    """A shared sequence that shrinks, and two branches pooled apart."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = 16
        self.shared = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3, stride=2))
        self.branches = nn.ModuleDict(
            {side: nn.Sequential(nn.Conv2d(6, 8, 1), nn.ReLU()) for side in ("left", "right")}
        )

    def embed(self, images: Tensor) -> Tensor:
        maps = self.shared(images)
        return torch.cat([branch(maps).mean((2, 3)) for branch in self.branches.values()], 1)


class Flat(nn.Module):
    """A network without maps."""

    def __init__(self) -> None:
        super().__init__()
        self.dim = 4
        self.head = nn.Linear(3 * 32 * 16, 4)

    def embed(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


def recognizer(network: nn.Module, tiny: TinyRecipe) -> Recognizer:
    return Recognizer(network, tiny(), device="cpu")


def photos(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (count, 32, 16, 3)).astype(np.uint8))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("bias", [False, True])
def test_a_place_adds_what_its_own_feature_would(tiny: TinyRecipe, bias: bool) -> None:
    torch.manual_seed(0)
    network = Plain("average", bias)
    model = recognizer(network, tiny)
    query, found = photos(2)
    (looked,) = match_maps(model, [query], [found])
    with torch.no_grad():
        inputs = model.inputs([query, found])
        embedded = network.embed(inputs).numpy()
        places = network.head(network.maps(inputs).movedim(1, 3)).numpy()  # (2, 32, 16, 5)
    lengths = np.linalg.norm(embedded[0]) * np.linalg.norm(embedded[1])
    assert looked.similarity == pytest.approx(cosine(*embedded), abs=1e-5)
    np.testing.assert_allclose(looked.query, places[0] @ embedded[1] / lengths / 512, atol=1e-6)
    np.testing.assert_allclose(looked.found, places[1] @ embedded[0] / lengths / 512, atol=1e-6)


def test_after_max_pooling_only_the_places_that_won_count(tiny: TinyRecipe) -> None:
    torch.manual_seed(0)
    network = Plain("max", bias=False)
    model = recognizer(network, tiny)
    query, found = photos(2)
    (looked,) = match_maps(model, [query], [found])
    with torch.no_grad():
        winners = network.maps(model.inputs([query])).flatten(2).argmax(2)[0]
    assert set(np.flatnonzero(np.abs(looked.query) > 1e-6)) == set(winners.tolist())
    assert looked.query.sum() == pytest.approx(looked.similarity, abs=1e-4)


def test_the_place_that_two_images_share_is_found(tiny: TinyRecipe) -> None:
    network = Plain("average", bias=False)
    nn.init.eye_(network.head.weight)
    network.maps.weight.data = torch.eye(4, 3)[:, :, None, None]
    nn.init.zeros_(network.maps.bias)
    query, found = (np.full((32, 16, 3), (124, 116, 104), np.uint8) for _ in range(2))
    query[4:8, 2:6] = found[20:24, 9:13] = (255, 0, 0)
    (looked,) = match_maps(recognizer(network, tiny), [query], [found])
    for values, (rows, columns) in (
        (looked.query, (slice(4, 8), slice(2, 6))),
        (looked.found, (slice(20, 24), slice(9, 13))),
    ):
        inside = values[rows, columns].min()
        values[rows, columns] = -1
        assert inside > 10 * values.max()


def test_branches_are_added_up_and_sequences_taken_apart(tiny: TinyRecipe) -> None:
    torch.manual_seed(0)
    network = TwoEnds()
    model = recognizer(network, tiny)
    query, *found = photos(4)
    looked = match_maps(model, [query], found)
    with torch.no_grad():
        inputs = model.inputs([query, *found])
        places = torch.cat([branch(network.shared(inputs)) for branch in network.branches.values()], 1).movedim(1, 3)
        embedded = network.embed(inputs)
    for place, look in enumerate(looked, 1):
        lengths = embedded[0].norm() * embedded[place].norm()
        np.testing.assert_allclose(look.query, places[0] @ embedded[place] / lengths / 21, atol=1e-5)
        np.testing.assert_allclose(look.found, places[place] @ embedded[0] / lengths / 21, atol=1e-5)
    maps = stage_maps(model, [query])[0]
    assert {name: values.shape for name, values in maps.items()} == {
        "branches.left": (8, 7, 3), "branches.right": (8, 7, 3),
    }  # fmt: skip


def test_attention_and_fused_stages(tiny: TinyRecipe) -> None:
    torch.manual_seed(0)
    network = MODELS["embedding-network"](
        5, backbone="resnet18", pretrained=False, attention="se", fusion="concat", head="vanilla", embedding=8
    )
    model = Recognizer(network, tiny("image.height=64", "image.width=64"), device="cpu")
    query, found = photos(2)
    (looked,) = match_maps(model, [query], [found])
    with torch.no_grad():
        inputs = model.inputs([query, found])
        places = network.embedding(network.backbone.maps(inputs).movedim(1, 3).flatten(0, 2)).view(2, 2, 2, -1)
        embedded = network.embed(inputs)
    expected = places[0] @ embedded[1] / (embedded[0].norm() * embedded[1].norm()) / 4
    np.testing.assert_allclose(looked.query, expected, atol=1e-4)
    assert list(stage_maps(model, [query])[0]) == ["layer1", "layer2", "layer3", "layer4"]


def test_two_branches_of_a_resnet(tiny: TinyRecipe) -> None:
    torch.manual_seed(0)
    network = MODELS["two-branch"](5, backbone="resnet18", pretrained=False)
    model = Recognizer(network, tiny("image.height=64", "image.width=64"), device="cpu")
    assert {name: values.shape for name, values in stage_maps(model, photos(1))[0].items()} == {
        "shared.layer1": (64, 16, 16), "shared.layer2": (128, 8, 8), "shared.layer3": (256, 4, 4),
        "branches.global.stage": (512, 2, 2), "branches.max.stage": (512, 2, 2),
    }  # fmt: skip
    looked = match_maps(model, photos(1), photos(2, seed=1))
    assert [look.found.shape for look in looked] == [(2, 2)] * 2


def test_a_frozen_segmenter_is_no_part_of_what_is_compared(tiny: TinyRecipe) -> None:
    torch.manual_seed(0)
    network = MODELS["bruna"](
        {"hat": 2}, backbone="resnet18", pretrained=False, dim=16, masks="channel", unet=UNet(width=4, depth=2)
    )
    model = Recognizer(network, tiny("image.height=64", "image.width=64"), device="cpu")
    assert list(stage_maps(model, photos(1))[0]) == ["layer1", "layer2", "layer3", "layer4"]
    (looked,) = match_maps(model, photos(1), photos(1, seed=1))
    assert looked.query.shape == (2, 2)
    assert np.ptp(looked.query) > 0


def test_a_match_with_itself_is_whole_and_looks_alike(tiny: TinyRecipe) -> None:
    model = embedding_model(tiny, "resnet10t")
    query, other = photos(2)
    itself, _ = match_maps(model, [query], [query, other])
    assert itself.similarity == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(itself.query, itself.found, atol=1e-5)


def embedding_model(tiny: TinyRecipe, backbone: str, size: tuple[int, int] = (32, 16), **options: object) -> Recognizer:
    torch.manual_seed(0)
    network = MODELS["strong-baseline"](5, backbone=backbone, pretrained=False, image_size=size, **options)
    recipe: Recipe = tiny(f"image.height={size[0]}", f"image.width={size[1]}")
    return Recognizer(network, recipe, device="cpu")


@pytest.mark.parametrize(
    ("backbone", "last_stride", "channels"),
    [
        ("resnet18", 1, (64, 128, 256, 512)),
        ("resnet18", 2, (64, 128, 256, 512)),
        ("mobilenetv3_small_050", 2, (8, 16, 24, 288)),
    ],
)
def test_four_stages_of_a_backbone(
    tiny: TinyRecipe, backbone: str, last_stride: int, channels: tuple[int, ...]
) -> None:
    model = embedding_model(tiny, backbone, (64, 64), last_stride=last_stride)
    first, second = stage_maps(model, photos(2))
    assert tuple(len(values) for values in first.values()) == channels
    assert first.keys() == second.keys()
    assert [values.shape[1] for values in first.values()] == [16, 8, 4, 4 if last_stride == 1 else 2]
    looked = match_maps(model, photos(1), photos(1, seed=1))[0]
    assert looked.query.shape == list(first.values())[-1].shape[1:]
    assert looked.query.sum() == pytest.approx(looked.similarity, abs=1e-4)


def test_networks_without_maps_say_so(tiny: TinyRecipe) -> None:
    for model in (recognizer(Flat(), tiny), embedding_model(tiny, "vit_tiny_patch16_224", (32, 32), last_stride=2)):
        for made in (lambda: stage_maps(model, photos(1)), lambda: match_maps(model, photos(1), photos(1))):  # noqa: B023
            with pytest.raises(RunError, match="yields no maps"):
                made()


def test_attribute_networks_have_stages_but_no_match(tiny: TinyRecipe) -> None:
    network = MODELS["residual-cnn"](attributes={"hat": 2}, channels=(4, 8))
    model = recognizer(network, tiny)
    assert stage_maps(model, photos(1))[0]["block2"].shape == (8, 8, 4)
    with pytest.raises(RunError, match="makes no embeddings"):
        match_maps(model, photos(1), photos(1))


def test_the_network_is_left_as_it_was(tiny: TinyRecipe) -> None:
    model = embedding_model(tiny, "resnet10t")
    before = model.embed(photos(3))
    match_maps(model, photos(1), photos(2))
    stage_maps(model, photos(1))
    assert not any(module._forward_hooks for module in model.model.modules())
    assert all(parameter.grad is None for parameter in model.model.parameters())
    np.testing.assert_array_equal(model.embed(photos(3)), before)
