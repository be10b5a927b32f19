"""How one image shows its subject: viewpoint, pose, crop and occlusion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from resight.synthetic.cameras import Camera
from resight.synthetic.palette import Color, pick

__all__ = ["Obstacle", "Shot", "sample_shot"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something between camera and subject, in shares of the picture's width and height."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float
    color: Color


@dataclass(frozen=True, slots=True)
class Shot:
    """What is particular to one image. Lengths are shares of the picture's height, angles in radians."""

    yaw: float
    """Which way the subject faces: 0 the camera, π away, π/2 to the right of the picture."""
    phase: float
    """Phase of a walker's stride, in radians."""
    stride: float
    elbow: float
    shift_x: float
    shift_y: float
    zoom: float
    tilt: float
    place: float
    """Where along the camera's backdrop the subject stands, 0-1."""
    exposure: float
    obstacle: Obstacle | None
    grain: int
    """Seed of the sensor noise."""


def sample_shot(camera: Camera, track: np.random.Generator, shot: np.random.Generator, difficulty: float = 1.0) -> Shot:
    """A shot of a track: `track` must be the same stream for all shots of one subject in one camera.

    What the images of a track share (direction of walking, place, exposure) comes from `track`, the rest from `shot`.
    `difficulty` scales the variation of pose and crop and the share of occluded subjects.
    """
    heading = camera.heading if track.random() < 0.72 else camera.heading + math.pi
    heading += float(track.normal(0, camera.heading_spread))
    place, exposure = float(track.random()), float(track.normal(0, 0.05))
    start = float(track.uniform(0, 2 * math.pi))
    obstacle = _sample_obstacle(shot) if shot.random() < 0.13 * difficulty else None
    return Shot(
        yaw=heading + float(shot.normal(0, 0.22 * difficulty)),
        phase=start + float(shot.uniform(0, 2 * math.pi)),
        stride=float(shot.uniform(0.35, 1.15)),
        elbow=float(shot.choice((0.0, 0.0, 0.3, 0.9))) * float(shot.random()),
        shift_x=float(shot.normal(0, 0.018 * difficulty)),
        shift_y=float(shot.normal(0, 0.02 * difficulty)),
        zoom=float(np.clip(shot.normal(1.0, 0.055 * difficulty), 0.82, 1.22)),
        tilt=float(shot.normal(0, 0.02 * difficulty)),
        place=place + float(shot.normal(0, 0.015)),
        exposure=exposure + float(shot.normal(0, 0.025)),
        obstacle=obstacle,
        grain=int(shot.integers(2**31)),
    )


def _sample_obstacle(rng: np.random.Generator) -> Obstacle:
    kind = ("pole", "board", "bush", "corner")[int(rng.integers(4))]
    color = pick(rng, "gray", "black", "white", "brown")
    middle = float(rng.uniform(0.1, 0.9))
    if kind == "pole":
        return Obstacle(kind, middle - 0.05, 0.0, middle + 0.04, 1.0, color)
    if kind == "board":
        return Obstacle(kind, 0.0, float(rng.uniform(0.72, 0.88)), 1.0, 1.0, color)
    if kind == "bush":
        return Obstacle(kind, middle - 0.35, float(rng.uniform(0.7, 0.85)), middle + 0.35, 1.15, pick(rng, "green"))
    side = float(rng.choice((-0.25, 0.72)))
    return Obstacle(kind, side, float(rng.uniform(0.2, 0.5)), side + 0.5, 1.1, color)
