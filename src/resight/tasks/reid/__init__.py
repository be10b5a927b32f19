"""Re-identify: find every other image of the same individual."""
