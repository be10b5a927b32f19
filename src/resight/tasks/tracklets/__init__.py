"""Follow individuals: the images of a track become one entry, and the tracks of several cameras one individual."""
