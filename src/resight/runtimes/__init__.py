"""Exported files: what they say of themselves, and what runs them."""
