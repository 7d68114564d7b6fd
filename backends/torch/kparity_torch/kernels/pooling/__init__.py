"""PyTorch realizations of the category `pooling`."""
