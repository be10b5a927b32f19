"""Which images make a training batch. A sampler is one file and one line in this table.

Every sampler yields batches of `Draw`s in an order that depends on (seed, epoch) alone: a resumed run continues the
same sequence, and several processes share each batch of it.
"""

from collections.abc import Callable

from resight.data.samplers.base import BatchSampler, Draw, Part
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
    "Part",
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
