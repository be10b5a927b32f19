"""The review of suspected junk by a person: a decision on each image, and a dataset without the accepted ones.

`decisions.csv` (path, decision) lies beside the `suspects.csv` that `resight junk scan` wrote. No image is ever deleted.
This module needs no model, so that a review begins at once.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from resight.errors import DataError, RunError
from resight.files import file_key, locked, written_whole
from resight.records import Record, ReidDataset

__all__ = ["DECISIONS", "Review", "Suspect", "without_junk", "write_rows"]

DECISIONS = ("accepted", "rejected")
"""The decisions on a suspect: `accepted` as junk, to be left out, or `rejected`, to be kept."""
_PATIENCE = 10
"""Seconds that a decision waits for another one to be written."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An image that may be junk."""

    path: str
    score: float


class Review:
    """The suspects of a scan, and the decisions on them.

    >>> review = Review.open("suspects")
    >>> review.decide(0, "accepted")

    Every decision is on disk when `decide` returns, beside those of others who review the same scan.
    """

    def __init__(self, folder: Path, suspects: list[Suspect], decisions: dict[str, str]) -> None:
        self.folder, self.suspects = folder, suspects
        self._decisions = decisions

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a scan and the decisions made before. Raises RunError for a file, and for a folder without a scan or with damaged files."""
        folder = Path(folder)
        try:
            suspects = [Suspect(path, float(score)) for path, score in _read_rows(folder / "suspects.csv")]
        except NotADirectoryError:
            raise RunError(f"{folder} is a file, perhaps of a scan; give its folder: {folder.parent}") from None
        except FileNotFoundError:
            raise RunError(f"{folder} holds no suspects.csv; make it with `resight junk scan`") from None
        except (ValueError, OSError, csv.Error) as error:
            raise RunError(f"{folder / 'suspects.csv'} is damaged ({error}); scan anew") from None
        return cls(folder, suspects, _read_decisions(folder))

    def decision(self, position: int) -> str | None:
        """The decision on a suspect, by its position; None where there is none yet."""
        return self._decisions.get(self.suspects[position].path)

    def decide(self, position: int, decision: str | None) -> None:
        """Record a decision, or withdraw it with None.

        Raises DataError for an unknown position or decision, RunError when decisions.csv has been damaged meanwhile.
        """
        if not 0 <= position < len(self.suspects):
            raise DataError(f"no suspect {position}; there are 0 to {len(self.suspects) - 1}")
        if decision is not None and decision not in DECISIONS:
            raise DataError(f"decision {decision!r} is not one of {', '.join(DECISIONS)}")
        path = self.suspects[position].path
        with locked(self.folder, RunError, _PATIENCE):  # others may have said something since
            changed = {name: said for name, said in _read_decisions(self.folder).items() if name != path}
            if decision is not None:
                changed[path] = decision
            write_rows(self.folder / "decisions.csv", ("path", "decision"), changed.items())
        self._decisions = changed

    @property
    def undecided(self) -> list[int]:
        """Positions of the suspects without a decision."""
        return [place for place, suspect in enumerate(self.suspects) if suspect.path not in self._decisions]

    @property
    def accepted(self) -> frozenset[str]:
        """Paths of the images accepted as junk."""
        return frozenset(path for path, said in self._decisions.items() if said == "accepted")


def without_junk(dataset: ReidDataset, accepted: Iterable[str]) -> tuple[ReidDataset, int]:
    """The dataset without the images accepted as junk, by whatever path it reaches them, and the number left out.

    The dataset's own answer lists (`relevance`) are dropped, as they refer to positions in the whole gallery. Raises
    DataError when none of the accepted images is in the dataset.
    """
    paths = frozenset(accepted)
    files = frozenset(map(file_key, paths))

    def others(records: Sequence[Record]) -> list[Record]:
        return [record for record in records if file_key(record.path) not in files]

    kept = replace(
        dataset,
        train=others(dataset.train),
        query=others(dataset.query),
        gallery=others(dataset.gallery),
        relevance=None,
    )
    left_out = sum(1 for _ in dataset) - sum(1 for _ in kept)
    if paths and not left_out:
        raise DataError(
            f"none of the {len(paths)} accepted images is in {dataset.name}; give the data that was scanned "
            f"(the first is {min(paths)})"
        )
    return kept, left_out


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, whole or not at all."""
    with written_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _read_decisions(folder: Path) -> dict[str, str]:
    """Path -> decision, as they are on disk now. Raises RunError when the file is damaged."""
    try:
        decisions = dict(_read_rows(folder / "decisions.csv"))
    except FileNotFoundError:
        decisions = {}
    except (ValueError, OSError, csv.Error) as error:
        raise RunError(f"{folder / 'decisions.csv'} is damaged ({error}); mend it or move it away") from None
    if wrong := set(decisions.values()) - set(DECISIONS):
        raise RunError(f"{folder / 'decisions.csv'}: {sorted(wrong)[0]!r} is not one of {', '.join(DECISIONS)}")
    return decisions


def _read_rows(path: Path) -> list[tuple[str, str]]:
    """The rows below the header of a CSV file of two columns. Raises ValueError for a row of another length."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or any(len(row) != 2 for row in rows):
        raise ValueError("two columns and a header were expected")
    return [(first, second) for first, second in rows[1:]]
