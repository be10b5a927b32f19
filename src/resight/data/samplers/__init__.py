"""Which images make a training batch. A sampler is one file and one line in this table.

Every sampler is a batch sampler of `Draw`s and owes its order to (seed, epoch) alone: a resumed run continues the
sequence, and so does each process of a distributed one, which takes every n-th batch.
"""

from collections.abc import Callable

from resight.data.samplers.base import BatchSampler, Draw
from resight.data.samplers.cameras import CameraSampler
from resight.data.samplers.identities import IdentitySampler
from resight.data.samplers.items import ItemSampler
from resight.data.samplers.random import RandomSampler
from resight.data.samplers.triplets import TripletSampler

__all__ = [
    "SAMPLERS",
    "BatchSampler",
    "CameraSampler",
    "Draw",
    "IdentitySampler",
    "ItemSampler",
    "RandomSampler",
    "TripletSampler",
]

SAMPLERS: dict[str, Callable[..., BatchSampler]] = {
    "identities": IdentitySampler,
    "cameras": CameraSampler,
    "items": ItemSampler,
    "random": RandomSampler,
    "random-triplets": TripletSampler,
}
