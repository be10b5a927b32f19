"""Batches of people as the recipe's sampler draws them, and the losses that people have who are held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resight.data.samplers import SAMPLERS
from resight.engine.weighted_losses import WeightedLosses
from resight.errors import DataError
from resight.losses.base import Loss
from resight.recipe import Options, Recipe, arguments, make
from resight.records import Record

__all__ = ["DrawnBatch", "HeldOut", "defined_terms", "drawn_batches", "told_terms"]

_SIZES = {"identities": 2, "items": 1, "batch_size": 1}
"""Options of samplers that say how much is in a batch, and the least of each; where there are few people they are halved."""
_GIVEN = ("ids", "cameras", "targets", "seed")


class DrawnBatch(NamedTuple):
    """One batch of held-out images, as far as they could be read."""

    rows: Tensor
    """Their rows in what validation looked at, int64 (batch,)."""
    places: NDArray[np.int64]
    """As `Batch.places`."""
    ids: Tensor
    cameras: Tensor


class HeldOut:
    """Batches that the recipe's sampler draws of held-out records, the same ones at every validation.

    >>> held_out = HeldOut(recipe, training_set.validation)
    >>> held_out.mean(positions, lambda batch: {"triplet": loss(features[batch.rows], batch.ids, batch.cameras)})

    They are those of `drawn_batches`; there is none where somebody is unknown.
    """

    def __init__(self, recipe: Recipe, records: Sequence[Record]) -> None:
        self.records, self.seed = records, recipe.seed
        known = len(records) > 1 and all(record.identity > 0 for record in records)
        self.drawn = drawn_batches(recipe, records) if known else []

    def batches(self, positions: Sequence[int]) -> Iterator[DrawnBatch]:
        """The batches of the images that were looked at, which are the records at `positions`."""
        row = {position: number for number, position in enumerate(positions)}
        for batch in self.drawn:
            places = [place for place, position in enumerate(batch) if position in row]
            seen = [batch[place] for place in places]
            yield DrawnBatch(
                torch.tensor([row[position] for position in seen], dtype=torch.int64),
                np.array(places, np.int64),
                torch.tensor([self.records[position].identity for position in seen], dtype=torch.int64),
                torch.tensor([self.records[position].camera for position in seen], dtype=torch.int64),
            )

    def mean(self, positions: Sequence[int], values: Callable[[DrawnBatch], Mapping[str, Tensor]]) -> dict[str, float]:
        """The mean over the batches of each of the values that a batch has; batches of one image have none."""
        found: dict[str, list[float]] = {}
        # Mining at random draws the same as well, and takes nothing from the random numbers of training.
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(self.seed)
            for batch in self.batches(positions):
                if len(batch.rows) > 1:
                    for name, value in values(batch).items():
                        found.setdefault(name, []).append(float(value))
        return {name: sum(several) / len(several) for name, several in found.items()}


def defined_terms(losses: WeightedLosses) -> dict[str, Loss]:
    """The losses that have a value on people who are not trained on, by label."""
    return {label: loss for label, loss in losses.items() if not loss.of_identities}


def told_terms(terms: Sequence[str], losses: Sequence[str], drawn: bool = True) -> str:
    """A line that says which losses are in the validation loss, and which are not; `drawn` if there are batches."""
    if not drawn:
        return "no val/loss: the images held out are of too few people for a batch, or of unknown ones"
    if not terms:
        return f"no val/loss: people held out have no {' and no '.join(losses)}"
    missing = [label for label in losses if label not in terms]
    without = f"; {' and '.join(missing)} would need the identities trained on" if missing else ""
    return f"val/loss is {' + '.join(terms)} of the people held out{without}"


def drawn_batches(recipe: Recipe, records: Sequence[Record]) -> list[list[int]]:
    """Positions of the records in each batch of the recipe's sampler: of its first epoch, with the recipe's seed.

    Without the draws that are shown as junk. Of fewer people than a batch wants the batches are smaller; where not even
    these can be made there is none.
    """
    options = {"name": recipe.sampler["name"], **arguments(SAMPLERS, recipe.sampler, "sampler", _GIVEN)}
    while True:
        try:
            sampler = make(
                SAMPLERS,
                options,
                "sampler",
                ids=[record.identity for record in records],
                cameras=[record.camera for record in records],
                targets=None,
                seed=recipe.seed,
            )
            return [[draw.index for draw in batch if not draw.junk] for batch in sampler]
        except DataError:
            if not (smaller := _halved(options)):
                return []
            options = smaller


def _halved(options: Options) -> Options:
    """The options with smaller batches; empty when they cannot be smaller."""
    fewer = {name: max(least, options[name] // 2) for name, least in _SIZES.items() if options.get(name, least) > least}
    return {**options, **fewer} if fewer else {}
