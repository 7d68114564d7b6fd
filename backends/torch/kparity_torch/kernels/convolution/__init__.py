"""PyTorch realizations of the category `convolution`."""
