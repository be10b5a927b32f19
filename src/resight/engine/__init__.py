"""Lightning's side of training: what every system shares, whatever its task."""
