"""One feature for several images of one individual, such as the frames of a tracklet: their weighted mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.retrieval.arrays import Array, as_features, as_labels, to_numpy

__all__ = ["pool"]


def pool(features: Array, groups: Array, weights: Array | None = None, *, unit: bool = True) -> NDArray[np.float32]:
    """The weighted mean of each group's features [N, D], float32 [T, D]; of length one unless `unit` is False.

    >>> pool(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), [0, 0, 1], [3, 1, 1], unit=False)
    array([[0.75, 0.25],
           [0.  , 1.  ]], dtype=float32)

    `groups`, int [N], numbers the groups from 0 to T - 1; images of -1 are left out. `weights`, float [N], are 0 or more
    and only matter in proportion within a group; a group whose weights are all 0 has the plain mean. Raises DataError for
    weights that are negative or no numbers, and for a group without images.
    """
    points = to_numpy(as_features(features, "features")).astype(np.float64)
    places = as_labels(groups, "groups", len(points), f"the {len(points)} images")
    shares = np.ones(len(points)) if weights is None else to_numpy(weights).astype(np.float64)
    if shares.shape != (len(points),) or not (np.isfinite(shares).all() and (shares >= 0).all()):
        raise DataError(
            f"weights of shape {shares.shape}: a number of 0 or more is needed for each of {len(points)} images"
        )
    inside = places >= 0
    points, places, shares = points[inside], places[inside], shares[inside]
    count = int(places.max(initial=-1)) + 1
    sizes = np.bincount(places, minlength=count)
    if not sizes.all():
        raise DataError(f"group {int(np.argmin(sizes))} has no image; number the groups without gaps")
    largest = np.zeros(count)
    np.maximum.at(largest, places, shares)
    # Of the largest one, so that no weight is too small or large to be added up.
    shares = np.where(largest[places] > 0, shares / np.where(largest > 0, largest, 1)[places], 1.0)
    sums = np.zeros((count, points.shape[1]))
    np.add.at(sums, places, points * shares[:, None])
    means = sums / np.bincount(places, shares, minlength=count)[:, None]
    if unit:
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return means.astype(np.float32)
