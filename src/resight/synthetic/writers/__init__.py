"""The layouts that a synthetic dataset can be written in: one file a layout."""

from resight.synthetic.writers import course, folders, market1501, segmentation, veri776
from resight.synthetic.writers.layout import Entry, Layout

__all__ = ["WRITERS", "Entry", "Layout"]

WRITERS: dict[str, Layout] = {
    "market1501": market1501.LAYOUT,
    "course": course.LAYOUT,
    "veri776": veri776.LAYOUT,
    "folders": folders.LAYOUT,
    "segmentation": segmentation.LAYOUT,
}
"""Layout name -> how it names the pictures and which files it writes beside them."""
