"""How fast synthetic datasets are drawn, and how far a colour histogram gets on them.

    python benchmarks/synthesis.py --kind people

A colour histogram has to stay under 25 % mAP (it may not solve the task) and pictures have to come at 200 a second
and core at 128×64, JPEG files written. Same-camera matching is printed beside it: it has to be much easier.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resight.synthetic import PRESETS, Street, synthesize
from resight.synthetic.roster import Sighting, make_roster

__all__ = [
    "FEATURES",
    "histogram",
    "label",
    "main",
    "mean_average_precision",
    "picture",
    "same_camera_precision",
]

Feature = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def histogram(image: NDArray[np.uint8], bins: int = 8, stripes: int = 1, space: str = "RGB") -> NDArray[np.float32]:
    """Root of the joint colour histogram, `bins`³ per horizontal stripe; cosine is then Hellinger's affinity."""
    pixels = np.asarray(Image.fromarray(image).convert(space)) // (256 // bins)
    codes = (pixels[..., 0].astype(np.int64) * bins + pixels[..., 1]) * bins + pixels[..., 2]
    parts = [np.bincount(part.ravel(), minlength=bins**3) for part in np.array_split(codes, stripes)]
    feature = np.sqrt(np.concatenate(parts).astype(np.float32))
    return feature / np.linalg.norm(feature)


FEATURES: dict[str, Feature] = {
    "RGB 8x8x8, whole": histogram,
    "HSV 8x8x8, whole": lambda image: histogram(image, space="HSV"),
    "RGB 8x8x8, 6 stripes": lambda image: histogram(image, stripes=6),
    "HSV 8x8x8, 6 stripes": lambda image: histogram(image, stripes=6, space="HSV"),
    "HSV 4x4x4, 12 stripes": lambda image: histogram(image, 4, 12, "HSV"),
}


def mean_average_precision(
    similarity: NDArray[np.float32], query: Sequence[tuple[int, int]], gallery: Sequence[tuple[int, int]]
) -> float:
    """mAP by Market-1501's rule; query and gallery are (identity, camera), identity -1 is junk."""
    precisions = []
    for row, (identity, camera) in zip(similarity, query, strict=True):
        order = np.argsort(-row, kind="stable")
        kept = [gallery[i] for i in order if gallery[i][0] != -1 and gallery[i] != (identity, camera)]
        hits = [rank for rank, (other, _) in enumerate(kept, 1) if other == identity]
        if hits:
            precisions.append(np.mean([count / rank for count, rank in enumerate(hits, 1)]))
    return float(np.mean(precisions))


def same_camera_precision(
    similarity: NDArray[np.float32], query: Sequence[tuple[int, int]], gallery: Sequence[tuple[int, int]]
) -> float:
    """mAP where the right answers are those of the query's own camera, and other cameras' are left out."""
    precisions = []
    for row, (identity, camera) in zip(similarity, query, strict=True):
        order = np.argsort(-row, kind="stable")
        kept = [gallery[i] for i in order if gallery[i][0] != -1]
        kept = [(other, seen) for other, seen in kept if other != identity or seen == camera]
        hits = [rank for rank, (other, _) in enumerate(kept, 1) if other == identity]
        if hits:
            precisions.append(np.mean([count / rank for count, rank in enumerate(hits, 1)]))
    return float(np.mean(precisions))


def picture(street: Street, s: Sighting) -> NDArray[np.uint8]:
    """The picture of a sighting."""
    if s.role == "junk":
        return street.junk(s.shot, s.identity, s.camera)[0]
    if s.role == "distractor":
        return street.distractor(s.shot, s.camera)[0]
    return street.picture(s.identity, s.camera, s.shot)[0]


def label(s: Sighting) -> tuple[int, int]:
    """(identity, camera) as a reader would give them."""
    return {"junk": -1, "distractor": 0}.get(s.role, s.identity), s.camera


def main(kind: str, seed: int) -> None:
    """Print drawing speed and histogram figures for a kind's demonstration dataset."""
    plan = PRESETS[f"{kind}-demo"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        made = synthesize(Path(folder) / "street", plan.kind, preset=f"{kind}-demo", seed=seed, processes=1)
        seconds = time.process_time() - began
    print(
        f"{kind}: {made.total} pictures of {plan.size[0]}x{plan.size[1]}: {made.total / seconds:.0f} a second and core"
    )
    numbers = (
        plan.identities,
        plan.test_identities,
        plan.cameras,
        plan.images_per_camera,
        plan.junk,
        plan.distractors,
    )
    roster = make_roster(seed, *numbers)
    street = Street(plan.kind, seed, plan.size, plan.difficulty)
    query, gallery = roster.of("query"), roster.of("gallery", "junk", "distractor")
    asked, kept = [picture(street, s) for s in query], [picture(street, s) for s in gallery]
    who, others = [label(s) for s in query], [label(s) for s in gallery]
    chance = np.random.default_rng(0).random((len(who), len(others)), np.float32)
    print(f"{'chance':>24}: mAP {100 * mean_average_precision(chance, who, others):5.1f} %")
    for name, feature in FEATURES.items():
        similarity = np.stack([feature(image) for image in asked]) @ np.stack([feature(image) for image in kept]).T
        across = mean_average_precision(similarity, who, others)
        within = same_camera_precision(similarity, who, others)
        print(f"{name:>24}: mAP {100 * across:5.1f} %   same camera {100 * within:5.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("people", "vehicles"), default="people")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.kind, arguments.seed)
