"""PyTorch realizations of the category `attention`."""
