"""PyTorch realizations of the category `index`."""
