"""Synthetic datasets: people and vehicles drawn from nothing, written in the layouts of the real datasets."""

from resight.synthetic.cameras import Camera, sample_camera
from resight.synthetic.generate import PRESETS, Preset, Synthesis, synthesize
from resight.synthetic.people import Person, sample_person
from resight.synthetic.shots import Shot, sample_shot
from resight.synthetic.street import Street, render_person
from resight.synthetic.writers import WRITERS

__all__ = [
    "PRESETS",
    "WRITERS",
    "Camera",
    "Person",
    "Preset",
    "Shot",
    "Street",
    "Synthesis",
    "render_person",
    "sample_camera",
    "sample_person",
    "sample_shot",
    "synthesize",
]
