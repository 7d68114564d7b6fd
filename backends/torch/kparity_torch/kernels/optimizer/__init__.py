"""PyTorch realizations of the category `optimizer`."""
