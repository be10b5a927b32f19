"""Tell the individual from the background: a mask for each image."""
