"""Random streams that depend on what is drawn, not on the process that draws it or on the order."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["Stream", "random_stream"]


class Stream(IntEnum):
    """What a stream of random numbers is for. The values are part of the data's definition: append, never reorder."""

    SUBJECT = 0
    CAMERA = 1
    TRACK = 2
    SHOT = 3
    ROSTER = 4
    JUNK = 5
    DISTRACTOR = 6
    NAMES = 7
    BACKDROP = 8


def random_stream(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """The generator of one stream, e.g. `random_stream(0, Stream.SHOT, identity, camera, shot)`.

    Streams of different keys are independent (NumPy's SeedSequence and Philox), so that any process can draw any
    image in any order and the dataset stays the same byte for byte. Key parts are ≥ 0.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), *key))
    return np.random.Generator(np.random.Philox(sequence))
