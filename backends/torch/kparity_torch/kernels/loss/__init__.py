"""PyTorch realizations of the category `loss`."""
