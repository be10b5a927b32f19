"""What a layout says by default: keys mean what they say, and only the classifier may be missing."""

from __future__ import annotations

from resight.importing.layout import Architecture, Keys


def test_a_layout_that_says_nothing_changes_nothing() -> None:
    keys = Keys()
    assert keys.rename("conv1.weight") == "conv1.weight"
    assert not keys.dropped
    assert not keys.given
    assert not keys.overrides
    assert not keys.notes
    assert Architecture("reid-osnet", (), lambda tensors: keys).left_out == ("classifier.",)
