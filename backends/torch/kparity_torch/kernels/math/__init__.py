"""PyTorch realizations of the category `math`."""
