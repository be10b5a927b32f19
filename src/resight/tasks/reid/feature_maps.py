"""Feature maps of a network: those of its stages, and maps of what each place of two images adds to their similarity.

This works on any network whose embedding is pooled from maps (batch, channels, height, width). The modules that make
maps are found by running one image and recording what each module returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from resight.errors import RunError
from resight.recognizer import Images, Recognizer

__all__ = ["Looked", "match_maps", "stage_maps"]


class Looked(NamedTuple):
    """What each place of a query and of a gallery image adds to their cosine similarity.

    Both maps have the height and width of the network's last maps, and the sum of each is `similarity`.
    """

    similarity: float
    query: NDArray[np.float32]
    found: NDArray[np.float32]


def stage_maps(model: Recognizer, image: Images) -> list[dict[str, NDArray[np.float32]]]:
    """The feature maps of each image after each stage of the network: stage -> float32 (channels, height, width).

    >>> stage_maps(resight.load("runs/street"), ["query.jpg"])[0]["layer4"].shape  # (512, 8, 4)

    Stages are those that timm defines for its backbones, or else the parts of the network that make maps. Raises RunError
    for a network without maps, such as a transformer, ImageError for an image that cannot be read.
    """
    inputs = model.inputs(image)
    run = model.features if model.embeds else model.model
    stages, _ = _anatomy(model.model, run, inputs[:1])
    with torch.no_grad(), _watched(stages.values()) as seen:
        run(inputs)
    return [
        {name: seen[module][place].float().cpu().numpy() for name, module in stages.items()}
        for place in range(len(inputs))
    ]


def match_maps(model: Recognizer, query: Images, found: Images) -> list[Looked]:
    """What each place of one query, and of each image found for it, adds to their cosine similarity.

    >>> match_maps(resight.load("runs/street"), ["query.jpg"], ["a.jpg", "b.jpg"])[0].query.shape  # (8, 4)

    The contribution of a place is the gradient of the similarity times the activation, summed over channels, with the
    lengths of both embeddings held constant; the contribution of biases is shared equally by all places. Where average
    pooling and linear layers follow the maps, it is exactly the product of the place's own feature with the other
    embedding (Stylianou et al. 2019, "Visualizing Deep Similarity Networks", section 3.1; Zhu et al. 2021, "Visual
    Explanation for Deep Metric Learning"). After other layers it is the first-order approximation, and after max pooling
    only places with a maximum contribute. Raises what `stage_maps` raises, and RunError for a model that makes no
    embeddings.
    """
    inputs = model.inputs([*query, *found])
    _, ends = _anatomy(model.model, model.features, inputs[:1])
    with torch.enable_grad(), _watched(ends) as seen:
        features = model.features(inputs.requires_grad_())
        maps = [seen[end] for end in ends]
        lengths = features.detach().norm(dim=1).clamp_min(1e-12)
        return [
            _looked(maps, features[0] @ features[place] / (lengths[0] * lengths[place]), place)
            for place in range(1, len(inputs))
        ]


def _looked(maps: Sequence[Tensor], similarity: Tensor, place: int) -> Looked:
    gradients = torch.autograd.grad(similarity, maps, retain_graph=True)
    total = float(similarity.detach())
    sides = []
    for row in (0, place):
        parts = [
            (gradient[row] * values[row]).sum(0).detach() for gradient, values in zip(gradients, maps, strict=True)
        ]
        sides.append(_joined(parts, total))
    return Looked(total, *sides)


def _joined(parts: Sequence[Tensor], total: float) -> NDArray[np.float32]:
    """One map (height, width) from those of several branches, of the size of the first, with the sum `total`."""
    size = parts[0].shape
    whole = torch.zeros_like(parts[0])
    for part in parts:
        resized = F.interpolate(part[None, None], size=tuple(size), mode="bilinear", align_corners=False)[0, 0]
        whole += resized * (part.numel() / whole.numel())
    whole += (total - whole.sum()) / whole.numel()
    return whole.float().cpu().numpy()


def _anatomy(
    model: nn.Module, run: Callable[[Tensor], object], image: Tensor
) -> tuple[dict[str, nn.Module], list[nn.Module]]:
    """The stages by name, and the modules that make the last maps, which are pooled. `run` calls the model.

    Raises RunError for a network without maps.
    """
    modules = {module: name for name, module in model.named_modules() if name}
    with torch.enable_grad(), _watched(modules) as seen:
        run(image.detach().requires_grad_())
    # Maps without gradients, such as those of a frozen segmenter, are an input and have no part in the comparison.
    spatial = {module: maps for module, maps in seen.items() if _is_maps(maps) and maps.requires_grad}
    parts = set(_largest(model, spatial))
    ordered = [module for module in spatial if module in parts]  # the order in which they ran
    told = _told(model)
    if not ordered or (told and not any(module in spatial for module in told.values())):
        raise RunError("this network yields no maps (batch, channels, height, width), so there are none to look at")
    composed = [module for module in ordered if any(True for _ in module.children())]
    stages = told or {modules[module]: module for module in composed or ordered}
    ends = [
        module
        for place, module in enumerate(ordered)
        if not _reach(spatial[module], [spatial[later] for later in ordered[place + 1 :]])
    ]
    return {name: module for name, module in stages.items() if module in spatial}, ends


def _told(model: nn.Module) -> dict[str, nn.Module]:
    """The stages that timm defines for the backbone, without its stem; empty for a network without a timm backbone."""
    for trunk in model.modules():
        facts = getattr(trunk, "feature_info", None)
        if isinstance(facts, list):
            # Channels are last in the maps of transformers, whose places depend on the whole image.
            maps = getattr(trunk, "output_fmt", "NCHW") == "NCHW"
            names = [fact["module"] for fact in facts if fact["reduction"] > 2]
            return {name: trunk.get_submodule(name) if maps else trunk for name in names}
    return {}


def _largest(module: nn.Module, spatial: dict[nn.Module, Tensor]) -> Iterator[nn.Module]:
    """The largest parts that make maps; a sequence whose maps change their size is split into its own parts."""
    for child in module.children():
        if child in spatial and not _shrinks(child, spatial):
            yield child
        else:
            yield from _largest(child, spatial)


def _shrinks(module: nn.Module, spatial: dict[nn.Module, Tensor]) -> bool:
    sizes = {spatial[child].shape[2:] for child in module.children() if child in spatial}
    return isinstance(module, nn.Sequential) and len(sizes) > 1


def _reach(maps: Tensor, later: Sequence[Tensor]) -> bool:
    """Whether any of the later maps was computed from these maps."""
    if not later:
        return False
    total = torch.stack([values.float().sum() for values in later]).sum()
    return torch.autograd.grad(total, maps, retain_graph=True, allow_unused=True)[0] is not None


def _is_maps(values: object) -> bool:
    return isinstance(values, Tensor) and values.ndim == 4 and values.shape[2] * values.shape[3] > 1


@contextmanager
def _watched(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """A mapping that, while the block runs, records what each module returns, in the order in which the modules finish."""
    seen: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        seen[module] = output

    hooks = [module.register_forward_hook(keep) for module in modules]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
