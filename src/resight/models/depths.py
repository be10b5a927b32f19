"""How far a network's parameters stand from its head, for rates that fall from layer to layer."""

from __future__ import annotations

from timm.models import group_parameters
from torch import nn

from resight.errors import RecipeError

__all__ = ["layers_to_head"]


def layers_to_head(network: nn.Module) -> dict[str, int]:
    """Parameter name -> number of layers from it to the head, whose own parameters have 0.

    >>> layers_to_head(StrongBaseline(751, backbone="resnet18", pretrained=False))["backbone.trunk.layer4.1.conv1.weight"]
    1

    Layers are those of timm, whose networks state them by `group_matcher`, as ours do: a stem, then each block. What
    stands outside of them, and starts fresh, is the head. Raises RecipeError for a network that states none.
    """
    for trunk, module in network.named_modules():
        if callable(matcher := getattr(module, "group_matcher", None)):
            layers = group_parameters(module, matcher(coarse=False), reverse=True)
            inside = {f"{trunk}.{name}" if trunk else name: layer for name, layer in layers.items()}
            names = [name for name, _ in network.named_parameters()]
            head = max(inside.values()) + any(name not in inside for name in names)
            return {name: head - inside.get(name, head) for name in names}
    raise RecipeError(
        f"layer_decay: {type(network).__name__} has no layers by timm's count; give parts of it their own rates by `rates`"
    )
