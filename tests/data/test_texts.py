"""Texts in one buffer: each is as it was, and so it is in another process."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resight.data.texts import Texts

NAMES = st.text() | st.binary().map(lambda name: name.decode("utf-8", "surrogateescape"))


@given(
    st.lists(
        NAMES.filter(lambda name: name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == name)
    )
)
def test_each_is_as_it_was(texts: list[str]) -> None:
    kept = Texts(texts)
    assert [kept[number] for number in range(len(kept))] == texts


def test_they_are_sent_as_two_arrays() -> None:
    texts = [f"folder/{number:09d}.jpg" for number in range(10_000)]
    sent = pickle.dumps(Texts(texts))
    assert len(sent) < 1.1 * (sum(map(len, texts)) + 8 * len(texts))
    assert pickle.loads(sent)[9_999] == texts[-1]


def test_one_beyond_the_last_is_no_text() -> None:
    with pytest.raises(ValueError, match="unpack"):
        Texts(["a"])[1]
