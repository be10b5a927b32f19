"""Searchable collections of embeddings."""

from resight.gallery.gallery import Added, Gallery, Ranked
from resight.gallery.hit import Hit

__all__ = ["Added", "Gallery", "Hit", "Ranked"]
