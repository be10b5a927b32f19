"""People who wear hats and have masks, for the systems that learn these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resight.records import AttributeSchema, ReidDataset


@pytest.fixture(scope="session")
def annotated(crowd: ReidDataset, tmp_path_factory: pytest.TempPathFactory) -> ReidDataset:
    """The crowd with a hat on every second person, and one mask for all: the upper half."""
    mask = tmp_path_factory.mktemp("masks") / "upper.png"
    upper = np.zeros((48, 24), np.uint8)
    upper[:24] = 255
    Image.fromarray(upper).save(mask)
    train = [
        replace(record, attributes={"hat": "yes" if record.identity % 2 else "no"}, mask=str(mask))
        for record in crowd.train
    ]
    return replace(crowd, train=train, schema=AttributeSchema.from_records(train))
