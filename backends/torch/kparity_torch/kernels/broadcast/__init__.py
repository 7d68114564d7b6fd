"""PyTorch realizations of the category `broadcast`."""
