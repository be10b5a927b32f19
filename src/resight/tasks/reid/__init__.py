"""Re-identification: find every other image of the same person or vehicle."""
