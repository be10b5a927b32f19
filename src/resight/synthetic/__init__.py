"""Synthetic datasets: people and vehicles drawn by code, written in the layouts of the real datasets."""

from resight.synthetic.generate import PRESETS, synthesize
from resight.synthetic.people import sample_person
from resight.synthetic.street import Street
from resight.synthetic.vehicles import VEHICLE_COLORS, VEHICLE_TYPES, sample_vehicle
from resight.synthetic.writers import WRITERS

__all__ = [
    "PRESETS",
    "VEHICLE_COLORS",
    "VEHICLE_TYPES",
    "WRITERS",
    "Street",
    "sample_person",
    "sample_vehicle",
    "synthesize",
]
