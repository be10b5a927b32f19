"""The augmentations for a whole batch on its device, with random numbers of its own for each image.

Each does to an image what its namesake in `AUGMENTATIONS` does, as often and within the same bounds; their random numbers
differ. Those of an image depend on its seed alone (see `numbers`), whatever its batch, its place in it and the device. They
are worked out on the CPU, so that it knows which images a change is for and a GPU is never waited for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as vision
from torchvision.transforms.v2.functional._color import _hsv_to_rgb, _rgb_to_hsv

from resight.data.augmentations import AUGMENTATIONS
from resight.data.augmentations.colour import EIGENVALUES, EIGENVECTORS
from resight.data.augmentations.erasing import box_colour, narrowest
from resight.data.augmentations.geometry import enlarged_size, kept_size
from resight.data.augmentations.numbers import between, normal, uniform, whole
from resight.data.augmentations.policies import policy_of
from resight.recipe import ImageOptions, Options, arguments

__all__ = ["BATCHED", "BatchedAugmentation", "Change", "build_batched"]

Numbers = NDArray[np.float64]
"""Random numbers from [0, 1) of some images: float64 (images, as many as a change wants)."""
_ATTEMPTS = 10
"""How often random erasing draws a box, as torchvision's."""


class Change(NamedTuple):
    """One augmentation of a batch: how often, how many random numbers it wants for an image, and what it does by them."""

    probability: float
    wanted: int
    images: Callable[[Tensor, Numbers], Tensor]
    """uint8 (batch, 3, height, width) and numbers (batch, wanted) -> the same shape; the images may be written to."""
    masks: Callable[[Tensor, Numbers], Tensor] | None = None
    """The same of masks uint8 (batch, 1, height, width); None for a change of colour, which leaves them."""


class BatchedAugmentation:
    """A recipe's augmentations in their order.

    >>> change = build_batched(recipe.augmentation, recipe.image)
    >>> images, masks = change(images, seeds)  # uint8 (batch, 3, height, width) on any device, int64 (batch,)
    """

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = list(changes)

    def __call__(
        self, images: Tensor, seeds: NDArray[np.int64], masks: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The images, and their masks uint8 (batch, 1, height, width) where given, changed; both may be written to."""
        ends = list(itertools.accumulate(1 + change.wanted for change in self.changes))
        numbers = uniform(seeds, ends[-1] if ends else 0)
        for change, end in zip(self.changes, ends, strict=True):
            own = numbers[:, end - change.wanted - 1 : end]
            rows = np.flatnonzero(own[:, 0] < change.probability)
            images = _changed(images, rows, own[:, 1:], change.images)
            if masks is not None and change.masks is not None:
                masks = _changed(masks, rows, own[:, 1:], change.masks)
        return images, masks


def build_batched(sections: dict[str, Options], image: ImageOptions) -> BatchedAugmentation:
    """The recipe's `augmentation` section for batches, applied in its order.

    Raises RecipeError for an unknown augmentation or option.
    """
    return BatchedAugmentation([_change(key, options, image) for key, options in sections.items()])


def _change(key: str, options: Options, image: ImageOptions) -> Change:
    checked = arguments(AUGMENTATIONS, {"name": key, **options}, f"augmentation.{key}", ["image"])
    return BATCHED[key](image=image, **checked)


def _changed(
    images: Tensor, rows: NDArray[np.int64], numbers: Numbers, change: Callable[[Tensor, Numbers], Tensor]
) -> Tensor:
    """The images with those of some rows changed."""
    if not len(rows):
        return images
    if len(rows) == len(images):
        return change(images, numbers)
    places = torch.from_numpy(rows).to(images.device, non_blocking=True)
    return images.index_copy_(0, places, change(images.index_select(0, places), numbers[rows]))


def flip(image: ImageOptions, probability: float) -> Change:
    def mirrored(images: Tensor, numbers: Numbers) -> Tensor:
        return images.flip(-1)

    return Change(probability, 0, mirrored, mirrored)


def pad_crop(image: ImageOptions, padding: int, probability: float) -> Change:
    def moved(images: Tensor, numbers: Numbers) -> Tensor:
        return _cropped(nn.functional.pad(images, (padding,) * 4), numbers, image)

    return Change(probability, 2, moved, moved)


def translation(image: ImageOptions, enlarge: float, probability: float) -> Change:
    def moved(images: Tensor, numbers: Numbers, mode: v2.InterpolationMode = v2.InterpolationMode.BILINEAR) -> Tensor:
        return _cropped(vision.resize(images, enlarged_size(image, enlarge), mode), numbers, image)

    return Change(probability, 2, moved, partial(moved, mode=v2.InterpolationMode.NEAREST))


def centre_crop(image: ImageOptions, height: int | None, width: int | None, probability: float) -> Change:
    kept = kept_size(image, height, width)

    def cropped(images: Tensor, numbers: Numbers, mode: v2.InterpolationMode = v2.InterpolationMode.BILINEAR) -> Tensor:
        return vision.resize(vision.center_crop(images, kept), [image.height, image.width], mode)

    return Change(probability, 0, cropped, partial(cropped, mode=v2.InterpolationMode.NEAREST))


def _cropped(images: Tensor, numbers: Numbers, image: ImageOptions) -> Tensor:
    """The recipe's size of each image, from a random place: numbers (batch, 2) for its top and its left."""
    height, width = image.height, image.width
    spare = np.array([images.shape[2] - height + 1, images.shape[3] - width + 1])
    places = whole(numbers, spare)
    if _one_by_one(images):
        each = zip(images.unbind(), places.tolist(), strict=True)
        return torch.stack([one[:, top : top + height, left : left + width] for one, (top, left) in each])
    tops, lefts = _there(places, images).unbind(1)
    windows = images.unfold(2, height, 1).unfold(3, width, 1)  # a view: (batch, 3, tops, lefts, height, width)
    return windows[torch.arange(len(images), device=images.device), :, tops, lefts]


def rotation(image: ImageOptions, degrees: float, probability: float) -> Change:
    def turned(images: Tensor, numbers: Numbers) -> Tensor:
        # With a channel of ones: where the image ends its edge becomes black, as torchvision's.
        pixels = torch.cat([images.float(), images.new_ones(len(images), 1, *images.shape[2:]).float()], dim=1)
        found = nn.functional.grid_sample(pixels, _turned(numbers, degrees, images), align_corners=False)
        return (found[:, :-1] * found[:, -1:]).round_().to(torch.uint8)

    def turned_masks(masks: Tensor, numbers: Numbers) -> Tensor:
        grid = _turned(numbers, degrees, masks)
        return nn.functional.grid_sample(masks.float(), grid, mode="nearest", align_corners=False).to(torch.uint8)

    return Change(probability, 1, turned, turned_masks)


def _turned(numbers: Numbers, degrees: float, images: Tensor) -> Tensor:
    """Where each pixel of images that are turned by up to `degrees` comes from: float32 (batch, height, width, 2)."""
    height, width = images.shape[2:]
    angles = np.radians(between(numbers[:, 0], -degrees, degrees))
    cosines, sines = (_each(found(angles), images)[:, 0] for found in (np.cos, np.sin))
    x = torch.linspace((1.0 - width) / 2, (width - 1.0) / 2, width, device=images.device)
    y = torch.linspace((1.0 - height) / 2, (height - 1.0) / 2, height, device=images.device)[:, None]
    return torch.stack([(cosines * x - sines * y) / (width / 2), (sines * x + cosines * y) / (height / 2)], dim=-1)


def erasing(
    image: ImageOptions, probability: float, area: tuple[float, float], aspect: float | str, fill: str
) -> Change:
    colour, least = torch.tensor(box_colour(image, fill), dtype=torch.uint8), narrowest(area, aspect)

    def erased(images: Tensor, numbers: Numbers) -> Tensor:
        boxes = _boxes(numbers, (image.height, image.width), area, least)
        if _one_by_one(images):
            for one, (top, left, height, width) in zip(images.unbind(), boxes.tolist(), strict=True):
                one[:, top : top + height, left : left + width] = colour[:, None, None]
            return images
        tops, lefts, heights, widths = _there(boxes, images)[:, :, None].unbind(1)
        rows = torch.arange(image.height, device=images.device)
        columns = torch.arange(image.width, device=images.device)
        inside = ((rows >= tops) & (rows < tops + heights))[:, None, :, None]
        inside = inside & ((columns >= lefts) & (columns < lefts + widths))[:, None, None, :]
        return torch.where(inside, colour.to(images.device, non_blocking=True)[:, None, None], images)

    return Change(probability, 2 * _ATTEMPTS + 2, erased)


def _boxes(numbers: Numbers, size: tuple[int, int], area: tuple[float, float], least: float) -> NDArray[np.int64]:
    """Top, left, height and width of each image's box, int64 (batch, 4); 0 high and wide where none of the draws fits."""
    (height, width), draws = size, len(numbers)
    shares = between(numbers[:, :_ATTEMPTS], *area) * height * width
    ratios = np.exp(between(numbers[:, _ATTEMPTS : 2 * _ATTEMPTS], np.log(least), -np.log(least)))
    sides = np.rint(np.sqrt(np.stack([shares * ratios, shares / ratios], axis=2))).astype(np.int64)
    fits = np.all(sides < [height, width], axis=2)
    chosen = np.where(np.any(fits, axis=1, keepdims=True), sides[np.arange(draws), fits.argmax(1)], 0)
    return np.concatenate([whole(numbers[:, -2:], np.array(size) - chosen + 1), chosen], axis=1)


def jitter(
    image: ImageOptions, brightness: float, contrast: float, saturation: float, hue: float, probability: float
) -> Change:
    changes = [(_brightened, brightness), (_contrasted, contrast), (_saturated, saturation), (_hued, hue)]

    def jittered(images: Tensor, numbers: Numbers) -> Tensor:
        order = np.argsort(numbers[:, :4], axis=1)
        factors = np.stack([between(numbers[:, 4 + place], *_range(place, changes[place][1])) for place in range(4)], 1)
        for slot, (place, (change, spread)) in itertools.product(range(4), enumerate(changes)):
            if spread:
                images = _changed(images, np.flatnonzero(order[:, slot] == place), factors[:, [place]], change)
        return images

    return Change(probability, 8, jittered)


def _range(place: int, spread: float) -> tuple[float, float]:
    """From where to where a factor is drawn; the fourth is the hue's, a shift."""
    return (-spread, spread) if place == 3 else (max(0.0, 1 - spread), 1 + spread)


def _brightened(images: Tensor, factors: Numbers) -> Tensor:
    return images.mul(_each(factors, images)).clamp_(0, 255).to(torch.uint8)


def _contrasted(images: Tensor, factors: Numbers) -> Tensor:
    return _blended(images, _greys(images).mean((1, 2, 3), keepdim=True), factors)


def _saturated(images: Tensor, factors: Numbers) -> Tensor:
    return _blended(images, _greys(images), factors)


def _blended(images: Tensor, others: Tensor, factors: Numbers) -> Tensor:
    share = _each(factors, images)
    return images.mul(share).addcmul_(others, 1 - share).clamp_(0, 255).to(torch.uint8)


def _greys(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()[:, None]


def _hued(images: Tensor, shifts: Numbers) -> Tensor:
    hue, saturation, value = _rgb_to_hsv(vision.to_dtype(images, torch.float32, scale=True)).unbind(1)
    turned = hue.add_(_each(shifts, images)[:, 0]).remainder_(1.0)
    return vision.to_dtype(_hsv_to_rgb(torch.stack([turned, saturation, value], dim=1)), torch.uint8, scale=True)


def pca_colour(image: ImageOptions, sigma: float, probability: float) -> Change:
    def shifted(images: Tensor, numbers: Numbers) -> Tensor:
        shifts = 255 * sigma * normal(numbers) * EIGENVALUES @ np.array(EIGENVECTORS).T
        return (
            (images + _there(shifts.astype(np.float32), images)[:, :, None, None])
            .round_()
            .clamp_(0, 255)
            .to(torch.uint8)
        )

    return Change(probability, 3, shifted)


def equalise(image: ImageOptions, probability: float) -> Change:
    def equalised(images: Tensor, numbers: Numbers) -> Tensor:
        return vision.equalize(images)

    return Change(probability, 0, equalised)


Step = tuple[str, float]
"""A change of a policy and its strength."""


def auto_augment(image: ImageOptions, policy: str, probability: float) -> Change:
    reference, size = policy_of(policy), (image.height, image.width)
    wanted, plan = {"rand": (4, _rand), "trivial": (3, _trivial)}.get(policy, (5, _searched))

    def applied(images: Tensor, numbers: Numbers) -> Tensor:
        for steps in plan(reference, numbers, size):
            for step in {step for step in steps if step is not None}:
                rows = np.flatnonzero([own == step for own in steps])
                images = _changed(images, rows, numbers, partial(_stepped, reference=reference, step=step))
        return images

    return Change(probability, wanted, applied)


def _stepped(images: Tensor, numbers: Numbers, reference: Any, step: Step) -> Tensor:
    return reference._apply_image_or_video_transform(images, *step, reference.interpolation, reference._fill)


def _searched(reference: Any, numbers: Numbers, size: tuple[int, int]) -> Iterator[list[Step | None]]:
    """Of each image the first change, then the second, of a pair that was searched for; None where it is left out."""
    pairs = [reference._policies[place] for place in whole(numbers[:, 0], len(reference._policies))]
    for slot, (often, sign) in enumerate(((1, 2), (3, 4))):
        yield [
            _step(reference, pair[slot][0], 10, pair[slot][2], own[sign], size) if own[often] < pair[slot][1] else None
            for pair, own in zip(pairs, numbers, strict=True)
        ]


def _rand(reference: Any, numbers: Numbers, size: tuple[int, int]) -> Iterator[list[Step | None]]:
    names, bins = list(reference._AUGMENTATION_SPACE), reference.num_magnitude_bins
    for change, sign in ((0, 1), (2, 3)):
        chosen = whole(numbers[:, change], len(names))
        yield [
            _step(reference, names[place], bins, reference.magnitude, own[sign], size)
            for place, own in zip(chosen, numbers, strict=True)
        ]


def _trivial(reference: Any, numbers: Numbers, size: tuple[int, int]) -> Iterator[list[Step | None]]:
    names, bins = list(reference._AUGMENTATION_SPACE), reference.num_magnitude_bins
    chosen, strengths = whole(numbers[:, 0], len(names)), whole(numbers[:, 1], bins)
    yield [
        _step(reference, names[place], bins, strength, own[2], size)
        for place, strength, own in zip(chosen, strengths, numbers, strict=True)
    ]


def _step(reference: Any, name: str, bins: int, place: int | None, sign: float, size: tuple[int, int]) -> Step:
    """A change at the strength of a place among `bins`, to the other side where `sign` is below a half."""
    strengths, signed = reference._AUGMENTATION_SPACE[name]
    values = strengths(bins, *size)
    if values is None:
        return name, 0.0
    strength = float(values[place])
    return name, -strength if signed and sign < 0.5 else strength


def _one_by_one(images: Tensor) -> bool:
    """Whether copies of single images are faster than an index of all pixels."""
    return images.device.type == "cpu"


def _each(values: Numbers, images: Tensor) -> Tensor:
    """A number for each image, (batch,) or (batch, 1), as float32 (batch, 1, 1, 1) on the images' device."""
    return _there(values.astype(np.float32).reshape(-1, 1, 1, 1), images)


def _there(values: NDArray[Any], images: Tensor) -> Tensor:
    return torch.from_numpy(values).to(images.device, non_blocking=True)


BATCHED: dict[str, Callable[..., Change]] = {
    "flip": flip,
    "pad-crop": pad_crop,
    "translation": translation,
    "centre-crop": centre_crop,
    "rotation": rotation,
    "erasing": erasing,
    "jitter": jitter,
    "pca-colour": pca_colour,
    "equalise": equalise,
    "auto-augment": auto_augment,
}
