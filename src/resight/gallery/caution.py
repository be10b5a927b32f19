"""What to know before a gallery's probabilities are trusted: whether they were fitted on other data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePath

from resight.records import NO_CAMERA
from resight.retrieval.calibration import Calibration
from resight.words import counted

__all__ = ["caution_of"]

_MOST = 0.5
"""Share of a gallery's images that must lie in the folder whose images were fitted."""


def caution_of(
    calibration: Calibration, paths: Sequence[str], cameras: Collection[int], *, pooled: bool = False
) -> str | None:
    """A line where the images of a gallery, or its cameras, are others than those that a calibration was fitted on.

    Also where its entries are tracklets (`pooled`), and the calibration is of single images.

    >>> caution_of(gallery.calibration, gallery.paths(), gallery.counts("camera"))  # doctest: +SKIP

    The data are known by the name of their folder, wherever it lies. None where they are the same, or nothing is known.
    """
    fitted = calibration.fitted_on
    if fitted is None or fitted.images is None:
        return (
            "the probabilities do not know what they were fitted on, and are too high in a larger gallery; run "
            "`resight calibrate` again"
        )
    inside = [fitted.folder in PurePath(path).parts for path in paths]
    if fitted.folder is not None and inside and sum(inside) < _MOST * len(inside):
        why = f"its images lie in a folder {fitted.folder}, which these do not"
    elif strange := sorted(set(cameras) - {NO_CAMERA, *fitted.cameras}):
        named = ", ".join(map(str, strange[:5])) + (" …" if len(strange) > 5 else "")
        why = f"this gallery has other cameras: {named}"
    elif pooled and calibration.tracklets is None:
        return "the probabilities were fitted on single images; of whole tracklets, as here, they are too high"
    else:
        return None
    people = "" if fitted.people is None else f"{counted(fitted.people, 'individual')}, "
    return (
        f"the probabilities were fitted on {fitted.dataset} ({people}{fitted.date}), and {why}: on another "
        "site they may be wrong; calibrate on it"
    )
