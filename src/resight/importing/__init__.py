"""Others' weights to run folders: a file's layout, the network that it fits, and what became of each of its keys."""
