"""What a model is for: a folder for each task, with the same few names in each.

system: how it is trained; evaluation: how good it is; report: how that looks; scores: its arithmetic; prediction: what it writes."""
