"""What resight wrote before attribute probabilities had a column of their own; README.md says how it was made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from resight.data.formats import read_dataset
from resight.records import ReidDataset

__all__ = ["LEGACY", "copied", "expected", "legacy_street"]

LEGACY = Path(__file__).parent
"""The folder with `runs`, `galleries` and `features.parquet`."""


def legacy_street() -> ReidDataset:
    """The drawn people that all of it was made from."""
    return read_dataset(f"market1501:{LEGACY / 'street'}")


def expected(run: str) -> dict[str, Any]:
    """What the code of then computed of the four queries with a run: `embed`, `recognise`, and `hits` in its gallery."""
    return json.loads((LEGACY / "expected.json").read_text(encoding="utf-8"))[run]


def copied(name: str, folder: Path) -> Path:
    """A copy, below `folder`, of something that the test will change, such as `galleries/bruna`."""
    return shutil.copytree(LEGACY / name, folder / name)
