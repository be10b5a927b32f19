"""Crops of boxes: from annotated or tracked frames of a camera to images that the rest of resight reads."""
