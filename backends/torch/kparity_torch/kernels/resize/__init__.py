"""PyTorch realizations of the category `resize`."""
