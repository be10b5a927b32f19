"""The images of a table: the dataset's own splits, or some that are drawn of it and kept beside the table's runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resight.data.formats import absolute_spec
from resight.data.formats.manifest import write_manifest
from resight.data.splits import held_out, split_dataset
from resight.data.union import read_datasets
from resight.errors import RunError
from resight.recipe import Recipe
from resight.records import UNLABELLED, ReidDataset
from resight.reproduce.budget import fewer_identities

__all__ = ["Images", "images_of"]


@dataclass(frozen=True)
class Images:
    """The images of a table, and the arguments that they come from."""

    dataset: ReidDataset
    data: list[str]
    """What the rows train and are evaluated on, as `--data` takes it."""
    on: Literal["validation", "test"]
    """What figures are of, but for rows of training images."""
    asked: dict[str, object]
    told: str
    """What the figures are of, and what is trained on, in a line."""

    @property
    def annotated(self) -> bool:
        """Whether a query or gallery image has attributes."""
        return any(record.attributes for record in [*self.dataset.query, *self.dataset.gallery])

    def fitted(self, recipe: Recipe) -> int:
        """Number of identities that a recipe trains on."""
        people = [record for record in self.dataset.train if record.identity > 0]
        kept, _ = held_out(people, recipe.validation.ratio, recipe.seed)
        return len({record.identity for record in kept})


def images_of(
    data: Sequence[str],
    folder: Path,
    identities: int | None,
    queries: Literal["first", "ratio"],
    on: Literal["validation", "test"],
) -> Images:
    """The images that the rows of a table in `folder` are trained and evaluated on.

    Without a labelled query and gallery, or with fewer `identities`, they are kept in `folder` as data.csv. Raises RunError
    when the folder was made of others.
    """
    whole, known = read_datasets(data), (folder / "settings.json").exists()
    asked: dict[str, object] = {"data": [absolute_spec(spec) for spec in data], "identities": identities, "on": on}
    split = whole.query and whole.gallery and all(record.identity != UNLABELLED for record in whole.query)
    if known:
        before = {"on": "test", **_settings(folder / "settings.json")}
        if any(before.get(key) != asked[key] for key in ("data", "identities")):
            raise RunError(f"{folder} was made with other --data or --identities; choose another --out, or remove it")
        if before["on"] != on and not split:
            raise RunError(f"{folder} was made with --on {before['on']}, which trains on others; choose another --out")
    dataset, told = whole, f"{whole.name}, trained on its training split, figures of its query and gallery"
    if on == "validation":
        told = (
            f"{whole.name}, trained on its training split, figures of the people of it that each run holds out for "
            "validation, who choose the epoch as well; nobody is held out besides"
        )
    elif not split:
        dataset = split_dataset(whole, queries=queries)
        searching = "a tenth of each one's images" if queries == "ratio" else "each one's first image in a camera"
        told = (
            f"{whole.name}, which has no labelled query and gallery: a fifth of its training identities, drawn with seed 0, is "
            f"held out for the figures; the queries are {searching}"
        )
    if identities is not None:
        dataset = fewer_identities(dataset, identities)
        told += f"; trained on {identities} identities drawn with seed 0"
    specs = list(data)
    if dataset is not whole:
        # Read back, so that the rows are the same runs that `resight train` makes from the file.
        file = folder / "data.csv"
        if not (known and file.exists()):
            write_manifest(file, dataset)
        specs = [f"manifest:{file}"]
        dataset = read_datasets(specs)
    return Images(dataset, specs, on, asked, told)


def _settings(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise RunError(f"{file} is damaged; choose another --out, or remove that folder")
    return found
