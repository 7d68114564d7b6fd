"""PyTorch realizations of the category `activation`."""
