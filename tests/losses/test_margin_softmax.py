"""ArcFace, CosFace and SphereFace against hand-worked values and a literal loop of the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resight.errors import RecipeError
from resight.losses import LOSSES
from resight.losses.margin_softmax import ArcFaceLoss, CosFaceLoss, SphereFaceLoss
from resight.recipe import make


def at(degrees: float, length: float = 1.0) -> list[float]:
    return [length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees))]


def with_weights(loss: nn.Module, *degrees: float) -> nn.Module:
    """Its identities' vectors in the plane, at these angles, of other lengths than 1."""
    (weights,) = loss.parameters()
    with torch.no_grad():
        weights.copy_(torch.tensor([at(angle, 2 + i) for i, angle in enumerate(degrees)]).T)
    return loss


def cross_entropy(right: float, *others: float) -> float:
    return math.log(sum(math.exp(score - right) for score in (right, *others)))


def cosine(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def test_arcface_by_hand() -> None:
    loss = with_weights(ArcFaceLoss(num_classes=2, dim=2, margin=math.radians(30), scale=4), 0, 90)
    # at 20°, so 20 and 70 from the two; the right one's angle becomes 50°
    value = loss(torch.tensor([at(20, 5)]), torch.tensor([0])).item()
    assert value == pytest.approx(cross_entropy(4 * cosine(50), 4 * cosine(70)), abs=1e-4)
    # at 170°, where 170 + 30 is past 180°: cos(170°) - m sin(m)
    right = cosine(170) - math.radians(30) * math.sin(math.radians(30))
    value = loss(torch.tensor([at(170)]), torch.tensor([0])).item()
    assert value == pytest.approx(cross_entropy(4 * right, 4 * cosine(80)), abs=1e-4)


def test_cosface_by_hand() -> None:
    loss = with_weights(CosFaceLoss(num_classes=2, dim=2, margin=0.35, scale=4), 0, 90)
    value = loss(torch.tensor([at(20, 5)]), torch.tensor([1])).item()
    assert value == pytest.approx(cross_entropy(4 * (cosine(70) - 0.35), 4 * cosine(20)), abs=1e-4)


def test_sphereface_by_hand() -> None:
    loss = with_weights(SphereFaceLoss(num_classes=2, dim=2, margin=2), 0, 90)
    # of length 3 at 20°: 3 cos(2 · 20°) against 3 cos(70°)
    value = loss(torch.tensor([at(20, 3)]), torch.tensor([0])).item()
    assert value == pytest.approx(cross_entropy(3 * cosine(40), 3 * cosine(70)), abs=1e-4)
    # at 120°, in the second stretch (k = 1): -cos(2 · 120°) - 2
    value = loss(torch.tensor([at(120, 3)]), torch.tensor([0])).item()
    assert value == pytest.approx(cross_entropy(3 * (-cosine(240) - 2), 3 * cosine(30)), abs=1e-4)


def arc(angle: float) -> float:
    return math.cos(angle + 0.5) if angle <= math.pi - 0.5 else math.cos(angle) - 0.5 * math.sin(0.5)


def sphere(angle: float) -> float:
    k = int(angle / (math.pi / 4))
    return (-1) ** k * math.cos(4 * angle) - 2 * k


RULES: dict[str, tuple[Callable[[float], float], Callable[[Tensor], float]]] = {
    "arcface": (arc, lambda x: 64.0),
    "cosface": (lambda angle: math.cos(angle) - 0.35, lambda x: 64.0),
    "sphereface": (sphere, lambda x: float(x.norm())),
}


@pytest.mark.parametrize("name", RULES)
def test_equals_a_loop_over_the_formula_at_the_papers_numbers(name: str) -> None:
    torch.manual_seed(0)
    loss = LOSSES[name](num_classes=5, dim=7)
    (weights,) = loss.parameters()
    embeddings, ids = torch.randn(9, 7), torch.randint(0, 5, (9,))
    harder, scale = RULES[name]
    terms = []
    for x, right in zip(embeddings, ids.tolist(), strict=True):
        angles = [math.acos(float(x @ w / (x.norm() * w.norm()))) for w in weights.detach().T]
        scores = [scale(x) * (harder(a) if i == right else math.cos(a)) for i, a in enumerate(angles)]
        largest = max(scores)
        terms.append(largest + math.log(sum(math.exp(s - largest) for s in scores)) - scores[right])
    assert loss(embeddings, ids).item() == pytest.approx(sum(terms) / 9, rel=1e-4)


def test_the_margin_is_in_radians_and_its_range_named() -> None:
    with pytest.raises(RecipeError, match="margin = 28.6"):
        make(LOSSES, {"name": "arcface", "margin": 28.6}, "losses.arcface", num_classes=2, dim=2)
    with pytest.raises(RecipeError, match="scale = 0"):
        make(LOSSES, {"name": "cosface", "scale": 0}, "losses.cosface", num_classes=2, dim=2)


THEIRS = {
    "arcface": ("ArcFaceLoss", {"margin": math.degrees(0.5)}),
    "cosface": ("CosFaceLoss", {}),
    "sphereface": ("SphereFaceLoss", {}),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradients_equal_another_library_whose_older_states_are_read(name: str, seed: int) -> None:
    from pytorch_metric_learning import losses

    torch.manual_seed(seed)
    other, options = THEIRS[name]
    theirs = getattr(losses, other)(num_classes=6, embedding_size=5, **options)
    ours = LOSSES[name](num_classes=6, dim=5)
    ours.load_state_dict({f"loss.{key}": value for key, value in theirs.state_dict().items()})
    values, ids = torch.randn(20, 5), torch.randint(0, 6, (20,))
    one, two = values.clone().requires_grad_(), values.clone().requires_grad_()
    found, wanted = ours(one, ids), theirs(two, ids)
    torch.testing.assert_close(found, wanted)
    found.backward()
    wanted.backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.vectors.grad, theirs.W.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", RULES)
def test_an_image_that_lies_on_its_identity_has_a_gradient(name: str) -> None:
    loss = with_weights(LOSSES[name](num_classes=2, dim=2), 0, 180)
    values = torch.tensor([at(0), at(180), at(0)], requires_grad=True)
    loss(values, torch.tensor([0, 0, 1])).backward()
    assert torch.isfinite(values.grad).all()
    assert torch.isfinite(loss.vectors.grad).all()
