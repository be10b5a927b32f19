"""Records to batches of uint8 tensors. Images that cannot be read are left out and listed, and stop nothing."""

from __future__ import annotations

import gc
import math
import multiprocessing
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import Compose
from torchvision.transforms.v2 import functional as vision

from resight.data.augmentations import Augmentation, augmented, augmented_pair, random_part
from resight.data.images import read_image
from resight.data.masks import read_mask
from resight.data.samplers import BatchSampler, Draw
from resight.data.targets import encode, junk_targets, shown_as_junk
from resight.data.texts import Texts
from resight.errors import ImageError
from resight.processors import worker_context
from resight.recipe import ImageOptions, LoaderOptions
from resight.records import AttributeSchema, Record

if TYPE_CHECKING:
    from resight.data.augmentations.batched import BatchedAugmentation
    from resight.data.cache import Crops

__all__ = [
    "BAR",
    "Batch",
    "ImageDataset",
    "Turn",
    "covered",
    "denormalise",
    "evaluation_loader",
    "judged_loader",
    "normalise",
    "resize",
    "resize_mask",
    "training_loader",
    "whole_groups",
]


BAR = 255
"""Of a mask: pixels that show nothing of the image, as it has another shape than the network's input."""


class Batch(NamedTuple):
    """Images uint8 (batch, 3, height, width) and what is known of them.

    `index` are their positions in the records; `failed` has a line for each image that could not be read. What decides
    the shape of a step is no tensor: it stays on the CPU, where it can be looked at without waiting for a GPU.
    """

    images: Tensor
    ids: Tensor
    cameras: Tensor
    targets: Tensor
    """Class numbers (batch, attributes), -1 where unknown; no columns where no attributes are learned."""
    masks: Tensor
    """uint8 (batch, 1, height, width), 1 for the individual, BAR where a letterbox has bars.

    (batch, 0, height, width) where no masks are learned.
    """
    index: Tensor  # type: ignore[assignment]
    places: NDArray[np.int64]
    """Each image's position in the sampler's batch; the positions of images that could not be read are missing."""
    junk: NDArray[np.bool_]
    """True where a random part of the image is shown instead of the image."""
    failed: list[str]
    seeds: NDArray[np.int64] = np.empty(0, np.int64)
    """Of each image's random changes; 0 for one that has none."""


def whole_groups(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Rows of the complete groups of a batch, int64 (groups, size).

    The sampler deals `size` images that belong together side by side, such as a triplet; a group is complete when all
    of them could be read. `places` are the positions of the images that could, ascending. Of three triplets without
    image 4 the first has the rows 0 to 2 and the third the rows 5 to 7.
    """
    number = places // size
    return np.flatnonzero(np.bincount(number)[number] == size).reshape(-1, size)


class Item(NamedTuple):
    image: Tensor | None
    mask: Tensor | None
    index: int  # type: ignore[assignment]
    junk: bool
    failed: str | None
    seed: int = 0


class ImageDataset(Dataset[Item]):
    """Images of records at one size: as they are by number, augmented by a `Draw`.

    `labels` are the class numbers that training uses, one for each record; without them a batch has the identities.
    `targets` [N, attributes] are the class numbers to learn, and `junk_targets` those of a junk `Draw`. With `masks`
    each image comes with its record's mask, and what moves the image moves the mask.
    """

    crops: Crops | None = None
    """The records' images decoded; without them their files are read."""
    batched: BatchedAugmentation | None = None
    """Takes the place of `augment`, once a batch is whole; see `finished`."""

    def __init__(
        self,
        records: Sequence[Record],
        image: ImageOptions,
        augment: Augmentation | None = None,
        labels: Sequence[int] | None = None,
        cache: bool = False,
        targets: NDArray[np.int64] | None = None,
        junk_targets: NDArray[np.int64] | None = None,
        masks: bool = False,
    ) -> None:
        self.image, self.augment, self.masks = image, augment, masks
        self.paths = Texts(record.path for record in records)
        self.mask_paths = Texts(record.mask or "" for record in records) if masks else None
        none = np.empty((len(records), 0), np.int64)
        self.targets = torch.from_numpy(none if targets is None else targets)
        self.junk_targets = self.targets if junk_targets is None else torch.from_numpy(junk_targets)
        self.labels = torch.tensor([record.identity for record in records] if labels is None else list(labels))
        self.cameras = torch.tensor([record.camera for record in records])
        self.cache: dict[int, tuple[Tensor, Tensor | None]] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | Draw) -> Item:
        index = key.index if isinstance(key, Draw) else key
        try:
            tensor, mask = self._load(index)
        except ImageError as error:
            return Item(None, None, index, False, str(error))
        if not isinstance(key, Draw):
            return Item(tensor, mask, index, False, None)
        tensor, mask = self._changed(tensor, mask, key)
        return Item(tensor, mask, index, key.junk, None, key.seed)

    def gather(self, draws: Sequence[Draw]) -> Batch:
        """The batch of these draws from `crops`, on the device that they are on where whole batches are augmented."""
        assert self.crops is not None
        index = torch.tensor([draw.index for draw in draws], dtype=torch.int64)
        known = self.crops.readable(index)
        places = np.flatnonzero(known.numpy())
        kept = [draws[place] for place in places.tolist()]
        crops = self.crops.host if self.batched is None else self.crops
        pixels = crops.gather(index[known], pinned=torch.cuda.is_available())
        images, masks = pixels[:, :3].contiguous(), pixels[:, 3:].contiguous()
        for row, draw in enumerate(kept):
            if self.batched is None or draw.junk:
                image, mask = self._changed(*self._load(draw.index), draw)
                images[row] = image
                if mask is not None:
                    masks[row] = mask
        failed = [self.crops.failed[number] for number in index[~known].tolist()]
        junk = np.array([draw.junk for draw in kept], bool)
        seeds = np.array([draw.seed for draw in kept], np.int64)
        return self._batch(images, masks, index[known], places, junk, failed, seeds)

    def finished(self, batch: Batch, device: torch.device) -> Batch:
        """A whole batch, augmented on a device where that is done for whole batches."""
        if self.batched is None or not len(batch.images):
            return batch
        images, masks = (part.to(device, non_blocking=True) for part in (batch.images, batch.masks))
        images, moved = self.batched(images, batch.seeds, masks if self.masks else None)
        return batch._replace(images=images, masks=masks if moved is None else moved)

    def _changed(self, image: Tensor, mask: Tensor | None, draw: Draw) -> tuple[Tensor, Tensor | None]:
        """What a draw makes of an image alone; with a seed of its own it is the same in any worker, in any order."""
        if self.augment is None:
            return image, mask
        if mask is not None:
            return (image, mask) if self.batched is not None else augmented_pair(image, mask, self.augment, draw.seed)
        steps = [*([random_part] if draw.junk else []), *([self.augment] if self.batched is None else [])]
        return (augmented(image, Compose(steps), draw.seed) if steps else image), None

    def _load(self, index: int) -> tuple[Tensor, Tensor | None]:
        if self.crops is not None:
            if index in self.crops.failed:
                raise ImageError(self.crops.failed[index])
            decoded = self.crops.host.gather(torch.tensor([index]))[0]
            return decoded[:3], decoded[3:] if self.masks else None
        if self.cache is not None and index in self.cache:
            return self.cache[index]
        path = self.paths[index]
        pixels, mask = read_image(path), None
        if self.mask_paths is not None:
            if not self.mask_paths[index]:
                raise ImageError(f"{path}: no mask is known of this image")
            mask = resize_mask(read_mask(self.mask_paths[index], pixels.shape[:2]), self.image)
        loaded = resize(pixels, self.image), mask
        if self.cache is not None:
            self.cache[index] = loaded
        return loaded

    def collate(self, items: Sequence[Item]) -> Batch:
        places = [place for place, item in enumerate(items) if item.image is not None]
        kept = [items[place] for place in places]
        if kept:
            images = torch.stack([item.image for item in kept])  # type: ignore[misc]
        else:
            images = torch.empty(0, 3, self.image.height, self.image.width, dtype=torch.uint8)
        masks = torch.empty(len(kept), 0, *images.shape[2:], dtype=torch.uint8)
        if kept and self.masks:
            masks = torch.stack([item.mask for item in kept])  # type: ignore[misc]
        return self._batch(
            images,
            masks,
            torch.tensor([item.index for item in kept], dtype=torch.int64),
            np.array(places, np.int64),
            np.array([item.junk for item in kept], bool),
            [item.failed for item in items if item.failed is not None],
            np.array([item.seed for item in kept], np.int64),
        )

    def _batch(
        self,
        images: Tensor,
        masks: Tensor,
        index: Tensor,
        places: NDArray[np.int64],
        junk: NDArray[np.bool_],
        failed: list[str],
        seeds: NDArray[np.int64],
    ) -> Batch:
        targets = torch.where(torch.from_numpy(junk)[:, None], self.junk_targets[index], self.targets[index])
        known = (self.labels[index], self.cameras[index], targets)
        return Batch(images, *known, masks, index, places, junk, failed, seeds)


def resize(pixels: np.ndarray, image: ImageOptions) -> Tensor:
    """uint8 (height, width, 3) of any size -> uint8 (3, image.height, image.width), antialiased.

    `image.resize` says whether an image of another shape is squashed or letterboxed, `image.interpolation` how.
    """
    tensor = torch.from_numpy(np.require(pixels, np.uint8, ["C", "W"])).permute(2, 0, 1)
    size = [image.height, image.width]
    if list(tensor.shape[1:]) == size:
        return tensor.contiguous()
    if image.resize == "letterbox":
        return _letterbox(tensor, image)
    return _interpolated(tensor, size, image).contiguous()


def _interpolated(tensor: Tensor, size: list[int], image: ImageOptions) -> Tensor:
    if image.interpolation == "nearest":  # which has nothing to antialias
        return vision.resize(tensor, size, vision.InterpolationMode.NEAREST_EXACT)
    return vision.resize(tensor, size, vision.InterpolationMode(image.interpolation), antialias=True)


def _letterbox(tensor: Tensor, image: ImageOptions) -> Tensor:
    rows, columns = covered(tensor.shape[1:], image)
    whole = (torch.tensor(image.mean) * 255).round().to(torch.uint8)[:, None, None].repeat(1, image.height, image.width)
    whole[:, rows, columns] = _interpolated(tensor, _size(rows, columns), image)
    return whole


def covered(shape: Sequence[int], image: ImageOptions) -> tuple[slice, slice]:
    """Rows and columns of a resized image that show the image of this (height, width): all but a letterbox's bars."""
    if image.resize != "letterbox":
        return slice(0, image.height), slice(0, image.width)
    scale = min(image.height / shape[0], image.width / shape[1])
    height, width = (max(1, round(scale * side)) for side in shape)
    top, left = (image.height - height) // 2, (image.width - width) // 2
    return slice(top, top + height), slice(left, left + width)


def _size(rows: slice, columns: slice) -> list[int]:
    return [rows.stop - rows.start, columns.stop - columns.start]


def resize_mask(mask: np.ndarray, image: ImageOptions) -> Tensor:
    """uint8 (height, width) of any size -> uint8 (1, image.height, image.width) by nearest neighbour, as its image.

    The bars of a letterbox are BAR.
    """
    rows, columns = covered(mask.shape, image)
    whole = torch.full((1, image.height, image.width), BAR, dtype=torch.uint8)
    nearest = vision.InterpolationMode.NEAREST_EXACT
    whole[:, rows, columns] = vision.resize(torch.from_numpy(mask)[None], _size(rows, columns), nearest)
    return whole


def normalise(images: Tensor, image: ImageOptions) -> Tensor:
    """uint8 RGB (batch, 3, height, width) -> float32 (images / 255 - mean) / std, with the recipe's mean and std.

    The channels are in the order of `image.colours`.
    """
    mean, std = (_channels(values, images.device) for values in (image.mean, image.std))
    return _ordered(images.to(torch.float32, copy=True).div_(255).sub_(mean).div_(std), image)


def denormalise(pixels: Tensor, image: ImageOptions) -> Tensor:
    """The inverse of `normalise`: float (batch, 3, height, width) -> uint8, clipped to 0 to 255."""
    mean, std = (_channels(values, pixels.device) for values in (image.mean, image.std))
    pixels = _ordered(pixels, image)
    return ((pixels.float() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


def _channels(values: tuple[float, float, float], device: torch.device) -> Tensor:
    """A number for each channel, (1, 3, 1, 1)."""
    # Made here and sent: made there, a GPU would be waited for.
    return torch.tensor(values).view(1, 3, 1, 1).to(device, non_blocking=True)


def _ordered(pixels: Tensor, image: ImageOptions) -> Tensor:
    """From RGB to the order that the network reads, or back."""
    return pixels.flip(1) if image.colours == "bgr" else pixels


def training_loader(dataset: ImageDataset, sampler: BatchSampler, options: LoaderOptions) -> DataLoader[Batch]:
    """Batches in the sampler's order."""
    return _loader(dataset, options, batch_sampler=sampler)


class Turn(NamedTuple):
    """Process `rank` of `world`, from 0: of batches it takes every `world`-th."""

    rank: int = 0
    world: int = 1

    def batches(self, keys: Sequence[object], size: int) -> list[Sequence[object]]:
        """Its batches of the keys, in order: as many as the others have, the last perhaps of no key."""
        count = math.ceil(len(keys) / size / self.world)
        numbers = range(self.rank, count * self.world, self.world)
        return [keys[number * size : (number + 1) * size] for number in numbers]


_ALONE = Turn()


def evaluation_loader(dataset: ImageDataset, options: LoaderOptions, turn: Turn = _ALONE) -> DataLoader[Batch]:
    """Every image once, in order; of the batches those whose turn it is."""
    batches = turn.batches(range(len(dataset)), options.batch_size)
    return _loader(dataset, options, batch_sampler=batches, start=_start())


def _leave_alone(worker: int) -> None:
    """Have a worker's garbage collector leave what it was forked with: looking at it would make it the worker's own memory."""
    gc.freeze()


def _start() -> str:
    """How workers start: beside an open gallery not by a fork, in which its threads are not."""
    method = multiprocessing.get_start_method()
    return "forkserver" if method == "fork" and _GALLERIES & sys.modules.keys() else method


_GALLERIES = {"lancedb", "psycopg_pool"}
"""What an open gallery has imported, in a folder or on a server; both have threads."""


def judged_loader(
    records: Sequence[Record],
    schema: AttributeSchema,
    image: ImageOptions,
    options: LoaderOptions,
    crops: Crops | None = None,
    turn: Turn = _ALONE,
) -> DataLoader[Batch]:
    """Every image once, in order, with its classes; then, where `schema` has junk, random parts of some as junk.

    Of the batches those whose turn it is.

    Images that are decoded already are taken from `crops`.
    """
    targets = encode(records, schema)
    junk = junk_targets(targets, schema)
    images = ImageDataset(records, image, augment=lambda pixels: pixels, targets=targets, junk_targets=junk)
    images.crops = crops
    draws = [Draw(position, position) for position in range(len(records))]
    draws += [Draw(position, seed, junk=True) for seed, position in enumerate(shown_as_junk(records, schema))]
    return _loader(images, options, batch_sampler=turn.batches(draws, options.batch_size))


def _loader(
    dataset: ImageDataset, options: LoaderOptions, *, start: str | None = None, **how: object
) -> DataLoader[Batch]:
    # Few images are read faster than workers start, and decoded ones faster than they hand them over.
    work = len(dataset) > 4 * options.batch_size and (dataset.crops is None or dataset.augment is not None)
    workers = options.processes if work else 0
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # typed by what it collates to
        collate_fn=dataset.collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_leave_alone,
        multiprocessing_context=worker_context(start or multiprocessing.get_start_method()) if workers else None,
        pin_memory=torch.cuda.is_available(),
        **how,  # type: ignore[arg-type]
    )
