"""Parts of a network by the beginning of their names."""

from __future__ import annotations

import pytest

from resight.engine.parts import begins, require_parts
from resight.errors import RecipeError

NAMES = ["backbone.trunk.conv1.weight", "backbone.trunk.layer1.0.conv1.weight", "classifier.weight"]


def test_a_part_may_be_named_without_the_backbone_before_it() -> None:
    assert [name for name in NAMES if begins(name, "trunk.conv1")] == NAMES[:1]
    assert [name for name in NAMES if begins(name, "backbone.trunk")] == NAMES[:2]
    assert not any(begins(name, "conv1") for name in NAMES)


def test_a_beginning_that_fits_nothing_is_told_the_parts() -> None:
    require_parts("freeze", ["trunk", "classifier"], NAMES)
    with pytest.raises(RecipeError) as told:
        require_parts("freeze", ["trunk", "neck"], NAMES)
    assert str(told.value) == (
        "freeze.neck: no parameter's name begins so; there is: backbone.trunk.conv1, backbone.trunk.layer1, "
        "classifier.weight"
    )
