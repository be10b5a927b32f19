"""What a model is for: a folder for each task, with the same few module names in each.

system trains, evaluation scores a model on a dataset, report shows the result, scores holds the arithmetic, and prediction
writes what the model says of images.
"""
