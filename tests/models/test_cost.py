"""What a network costs, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from resight.models import MODELS
from resight.models.cost import multiply_adds, parameters, use_of
from resight.recipe import ImageOptions
from resight.records import AttributeSchema
from resight.run import build_model

IMAGE = ImageOptions(height=32, width=16)


class Small(nn.Module):
    """A convolution of 8 filters of 3×3×3, and two layers, of which an embedding passes one."""

    dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.scale = nn.Parameter(torch.ones(1))
        self.embedding = nn.Linear(8, 5)
        self.classifier = nn.Linear(5, 1000)

    def embed(self, images: Tensor) -> Tensor:
        return self.embedding(self.convolution(images).mean((2, 3)) * self.scale)


def test_the_parts_that_an_embedding_passes_are_counted() -> None:
    assert parameters(Small(), IMAGE) == 8 * 27 + 1 + (8 * 5 + 5)
    assert multiply_adds(Small(), IMAGE) == 16 * 8 * 8 * 27 + 8 * 5


def test_counting_leaves_the_network_as_it_was() -> None:
    model = Small()
    parameters(model, IMAGE)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(values.grad is None for values in model.parameters())


def test_a_layer_that_is_used_twice_counts_once_in_parameters_and_twice_in_arithmetic() -> None:
    class Twice(Small):
        def embed(self, images: Tensor) -> Tensor:
            return super().embed(images) + super().embed(images.flip(3))

    assert parameters(Twice(), IMAGE) == parameters(Small(), IMAGE)
    assert multiply_adds(Twice(), IMAGE) == 2 * multiply_adds(Small(), IMAGE)


def test_what_embeds_and_recognises_is_counted_with_its_attributes(tiny) -> None:
    resolved = tiny(recipe="reid-bruna")
    schema = AttributeSchema({"hat": ("no", "yes")})
    model = build_model(resolved, 2, schema, pretrained=False).eval()
    passed: set[str] = set()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: passed.add(name))
    model(torch.zeros(1, 3, resolved.image.height, resolved.image.width))
    counted = {name: own.numel() for name, own in model.named_parameters() if name.rpartition(".")[0] in passed}
    assert any(name.startswith("heads.") for name in counted)
    assert parameters(model, resolved.image) == sum(counted.values())


@pytest.mark.parametrize(
    ("recipe", "use"),
    [
        ("reid-vae", "embed"),
        ("attributes-residual-cnn", "recognise"),
        ("segmentation-unet", "segment"),
        ("junk-autoencoder", "reconstruct"),
    ],
)
def test_every_kind_of_network_is_counted_by_its_use(recipe: str, use: str, tiny) -> None:
    resolved = tiny(recipe=recipe)
    model = build_model(resolved, 2, AttributeSchema({"hat": ("no", "yes")}), pretrained=False).eval()
    assert use_of(model) == getattr(model, use)
    assert resolved.model["name"] in MODELS
    whole = sum(values.numel() for values in model.parameters())
    assert 0 < parameters(model, resolved.image) <= whole
    assert (parameters(model, resolved.image) < whole) == (recipe == "reid-vae"), (
        "whose decoder an embedding does not pass"
    )
    assert multiply_adds(model, resolved.image) > 0
