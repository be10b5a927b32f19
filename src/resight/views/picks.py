"""What an adversary picks, as a picture: a row for each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from resight.views.ranked_lists import Tile, tile_grid

__all__ = ["Pick", "picks_picture"]


@dataclass(frozen=True, slots=True)
class Pick:
    """Paths of one person's images and of others', how far away each of these is predicted, and which were picked."""

    same: Sequence[str]
    others: Sequence[str]
    predicted: Sequence[float]
    picked: Sequence[int]


def picks_picture(picks: Sequence[Pick]) -> Image.Image:
    """A row for each item: the person's images (green, a tick), then the others with their predicted distance.

    >>> picks_picture([Pick(["a.jpg"], ["b.jpg", "c.jpg"], [0.7, 0.2], [1])]).save("picks.png")  # doctest: +SKIP

    Picked ones are red with a cross, those passed over grey with a dash. Raises DataError when there is no item.
    """
    tiles = []
    for pick in picks:
        tiles += [Tile(path, "right") for path in pick.same]
        for place, (path, predicted) in enumerate(zip(pick.others, pick.predicted, strict=True)):
            tiles.append(Tile(path, "wrong" if place in pick.picked else "junk", f"{predicted:.2f}"))
    return tile_grid(tiles, columns=len(picks[0].same) + len(picks[0].others) if picks else 1)
