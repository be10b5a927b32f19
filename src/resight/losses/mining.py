"""Mining: the choice of positives and negatives for the anchors of a batch. It does not change the distances.

All shapes follow from the batch's size alone: what does not count is masked, not left out, so that a GPU is never waited for.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from resight.errors import RecipeError
from resight.records import NO_CAMERA

__all__ = [
    "MINING",
    "BatchAll",
    "BatchHard",
    "CameraBatchHard",
    "Choice",
    "DrawnTriplets",
    "MaskedDistances",
    "Mining",
    "RandomMining",
    "Triplets",
    "mean_of",
    "pair_masks",
]


class Triplets(NamedTuple):
    """Positions in the batch, tensors of shapes that broadcast to that of `valid`."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
    valid: Tensor
    """Which are triplets, bool: False where an anchor has no such positive or negative."""


class MaskedDistances(NamedTuple):
    """What the hardest are chosen from: two matrices (batch, batch) with an anchor in each row."""

    positives: Tensor
    """Of images of the anchor's identity, -inf elsewhere: the greatest of a row is the hardest."""
    negatives: Tensor
    """Of images of other identities, inf elsewhere: the least of a row is the hardest."""


class Choice(NamedTuple):
    """How the hardest of a batch were chosen."""

    distances: MaskedDistances
    adjusted: MaskedDistances
    """The distances that decided."""
    triplets: Triplets


class Mining(nn.Module):
    """Base class of mining: `forward` chooses the triplets, `mean` averages their losses."""

    group = 1
    """As `Loss.group`; `needs_cameras` likewise."""
    needs_cameras = False

    def begin_epoch(self, epoch: int) -> None:
        """As `Loss.begin_epoch`."""

    def end_batch(self) -> None:
        """As `Loss.end_batch`."""

    def forward(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Triplets:
        raise NotImplementedError

    def mean(self, losses: Tensor, valid: Tensor) -> Tensor:
        """The triplets' losses, and which of them count -> scalar; 0 where none does."""
        return mean_of(losses, valid)


class RandomMining(Mining):
    """A random positive and a random negative of each anchor, drawn anew for each batch.

    >>> RandomMining()(distances, ids)  # distances (batch, batch), ids (batch,)

    Draws from PyTorch's generator, which training seeds at each step.
    """

    def forward(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Triplets:
        positive, negative = pair_masks(ids)
        lots = torch.rand(2, *positive.shape, device=ids.device)
        chosen = lots.masked_fill(~torch.stack([positive, negative]), -1.0).argmax(2)
        return Triplets(_each(ids), chosen[0], chosen[1], _usable(positive, negative))


class DrawnTriplets(Mining):
    """The triplets that `sampler.name=random-triplets` drew: anchor, positive, negative, anchor, …

    >>> DrawnTriplets()(distances, ids)  # distances (batch, batch), ids (batch,); 3 divides the batch
    """

    group = 3

    def forward(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Triplets:
        anchors, positives, negatives = _each(ids).view(-1, self.group).unbind(1)
        return Triplets(anchors, positives, negatives, torch.ones_like(anchors, dtype=torch.bool))


class BatchAll(Mining):
    """Every positive with every negative of each anchor (Hermans et al. 2017, eq. 6).

    >>> BatchAll()(distances, ids)  # distances (batch, batch), ids (batch,)

    `over="non-zero"` is the mean over the triplets whose loss is not 0, which their section 3 prefers ("batch all
    ≠ 0"): most losses soon are 0 and would dilute the others. `over="all"` is the plain mean. Memory grows with the
    batch's cube: a few hundred megabytes at 256 images.
    """

    def __init__(self, over: Literal["non-zero", "all"] = "non-zero") -> None:
        super().__init__()
        self.over = over

    def forward(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Triplets:
        positive, negative = pair_masks(ids)
        each, valid = _each(ids), positive[:, :, None] & negative[:, None, :]
        return Triplets(each[:, None, None], each[None, :, None], each[None, None, :], valid)

    def mean(self, losses: Tensor, valid: Tensor) -> Tensor:
        return mean_of(losses, valid if self.over == "all" else valid & (losses > 0))


class BatchHard(Mining):
    """The farthest positive and the nearest negative of each anchor (Hermans et al. 2017, eq. 5).

    >>> BatchHard()(distances, ids)  # distances (batch, batch), ids (batch,)

    Of equal distances the lowest index is chosen, so that runs can be repeated.
    """

    def forward(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Triplets:
        return self.choose(distances, ids, cameras).triplets

    def choose(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Choice:
        """As `forward`, with the matrices that the triplets were chosen from."""
        positive, negative = pair_masks(ids)
        masked = MaskedDistances(
            distances.detach().masked_fill(~positive, -torch.inf), distances.detach().masked_fill(~negative, torch.inf)
        )
        adjusted = self.prefer(masked, cameras)
        farthest, nearest = adjusted.positives.argmax(1), adjusted.negatives.argmin(1)
        return Choice(masked, adjusted, Triplets(_each(ids), farthest, nearest, _usable(positive, negative)))

    def prefer(self, masked: MaskedDistances, cameras: Tensor | None) -> MaskedDistances:
        """Adjust the distances before the choice; for subclasses."""
        return masked


class CameraBatchHard(BatchHard):
    """Batch hard that prefers positives of other cameras and negatives of the same one, less so with each batch.

    Before choosing, the distance of same-camera positives is lowered by `bias = k * std(D) / (1 + m * t)`, and that
    of same-camera negatives likewise, with D the positive- or negative-masked distance matrix and t the number of
    batches trained on before, `iterations` ("Camera-Label Based Batch Hard Mining", method
    slides). An image of unknown camera (-1) shares a camera with no other.

    >>> CameraBatchHard(k=5, m=0.1)(distances, ids, cameras)

    - `bias_std`: "valid" takes the deviation over valid pairs only; "zeros" includes the masked zeros, as drawn there.
    - `negatives`: "lower" follows the slides' text; "raise" uses the opposite sign, as drawn.
    - `decay=False` holds the bias at t = 0; `epochs` limits it to the first epochs (0: no limit).

    `last` is how the last batch's were chosen, for pictures; None before the first batch of an epoch.

    Raises RecipeError when the batch comes without cameras.
    """

    needs_cameras = True
    iterations: Tensor

    def __init__(
        self,
        k: Annotated[float, Field(ge=0)] = 5.0,
        m: Annotated[float, Field(ge=0)] = 0.1,
        bias_std: Literal["valid", "zeros"] = "valid",
        negatives: Literal["lower", "raise"] = "lower",
        decay: bool = True,
        epochs: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.k, self.m = k, m
        self.bias_std, self.sign = bias_std, -1.0 if negatives == "lower" else 1.0
        self.decay, self.epochs = decay, epochs
        self.epoch = 0
        self.last: Choice | None = None
        # A buffer, so that a resumed run goes on with the same bias.
        self.register_buffer("iterations", torch.zeros((), dtype=torch.int64))

    def begin_epoch(self, epoch: int) -> None:
        self.epoch, self.last = epoch, None

    def end_batch(self) -> None:
        self.iterations += 1

    def choose(self, distances: Tensor, ids: Tensor, cameras: Tensor | None = None) -> Choice:
        self.last = super().choose(distances, ids, cameras)
        return self.last

    def prefer(self, masked: MaskedDistances, cameras: Tensor | None) -> MaskedDistances:
        if cameras is None:
            raise RecipeError("camera-batch-hard mining needs camera labels; this data has none")
        if self.epochs and self.epoch >= self.epochs:
            return masked
        same_camera = (cameras[:, None] == cameras[None, :]) & (cameras != NO_CAMERA)
        positives, negatives = masked
        return MaskedDistances(
            positives - self.bias(positives) * same_camera, negatives + self.sign * self.bias(negatives) * same_camera
        )

    def bias(self, distances: Tensor) -> Tensor:
        """k * std(D) / (1 + m * t) of one of the masked matrices, a scalar in the unit of the distances."""
        valid = distances.isfinite()
        counted = valid if self.bias_std == "valid" else torch.ones_like(valid)
        kept = distances.masked_fill(~valid, 0.0)
        spread = mean_of((kept - mean_of(kept, counted)).square(), counted).sqrt()
        t = self.iterations if self.decay else 0
        return self.k * spread / (1 + self.m * t)


def _each(ids: Tensor) -> Tensor:
    return torch.arange(len(ids), device=ids.device)


def _usable(positive: Tensor, negative: Tensor) -> Tensor:
    """Which anchors have a positive and a negative, (batch,)."""
    return positive.any(1) & negative.any(1)


def mean_of(values: Tensor, valid: Tensor) -> Tensor:
    """The mean of those values that count, a scalar; 0 where none does. The others may be infinite."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def pair_masks(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Two masks, bool (batch, batch): pairs of the same identity (but not the same image), and of different ones."""
    same = ids[:, None] == ids[None, :]
    return same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device), ~same


MINING: dict[str, type[Mining]] = {
    "random": RandomMining,
    "drawn": DrawnTriplets,
    "batch-hard": BatchHard,
    "batch-all": BatchAll,
    "camera-batch-hard": CameraBatchHard,
}
