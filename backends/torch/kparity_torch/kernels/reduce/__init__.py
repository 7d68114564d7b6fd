"""PyTorch realizations of the category `reduce`."""
