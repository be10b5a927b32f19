"""Synthetic datasets: people and vehicles drawn by code, written in the layouts of the real datasets."""

from resight.synthetic.cameras import Camera, sample_camera
from resight.synthetic.generate import PRESETS, Preset, Synthesis, synthesize
from resight.synthetic.people import Person, sample_person
from resight.synthetic.shots import Shot, sample_shot
from resight.synthetic.street import Street, render_person, render_vehicle
from resight.synthetic.vehicles import VEHICLE_COLORS, VEHICLE_TYPES, Vehicle, sample_vehicle
from resight.synthetic.writers import WRITERS

__all__ = [
    "PRESETS",
    "VEHICLE_COLORS",
    "VEHICLE_TYPES",
    "WRITERS",
    "Camera",
    "Person",
    "Preset",
    "Shot",
    "Street",
    "Synthesis",
    "Vehicle",
    "render_person",
    "render_vehicle",
    "sample_camera",
    "sample_person",
    "sample_shot",
    "sample_vehicle",
    "synthesize",
]
