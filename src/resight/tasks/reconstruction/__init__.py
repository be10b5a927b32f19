"""Make images anew: autoencoders, what their errors say, and images that they draw."""
