"""Random streams: a function of seed, purpose and key alone, and always the same numbers."""

from __future__ import annotations

import numpy as np

from resight.synthetic.randomness import Stream, random_stream


def numbers(seed: int, stream: Stream, *key: int) -> list[float]:
    return random_stream(seed, stream, *key).random(4).tolist()


def test_a_stream_depends_on_its_own_key_and_on_nothing_drawn_before() -> None:
    first = numbers(3, Stream.SHOT, 7, 2, 0)
    random_stream(3, Stream.SHOT, 7, 2, 1).random(100)
    np.random.default_rng(3).random(100)
    assert numbers(3, Stream.SHOT, 7, 2, 0) == first


def test_streams_of_other_seeds_purposes_and_keys_differ() -> None:
    keys = [(3, Stream.SHOT, 7, 2, 0), (4, Stream.SHOT, 7, 2, 0), (3, Stream.TRACK, 7, 2, 0), (3, Stream.SHOT, 7, 2, 1)]
    keys += [(3, Stream.SHOT, 72, 0), (3, Stream.SHOT, 7, 20), (3, Stream.SHOT), (3, Stream.SUBJECT)]
    assert len({tuple(numbers(*key)) for key in keys}) == len(keys)


def test_the_numbers_of_the_streams_are_part_of_the_data_and_never_change() -> None:
    assert {stream.name: stream.value for stream in Stream} == {
        "SUBJECT": 0,
        "CAMERA": 1,
        "TRACK": 2,
        "SHOT": 3,
        "ROSTER": 4,
        "JUNK": 5,
        "DISTRACTOR": 6,
        "NAMES": 7,
        "BACKDROP": 8,
    }
    raw = random_stream(0, Stream.SHOT, 1, 2, 3).bit_generator.random_raw(2)
    assert raw.tolist() == [4715235108653506162, 2146084260962558892]
