"""From datasets on disk to batches: formats, splits, samplers, images, loaders."""
