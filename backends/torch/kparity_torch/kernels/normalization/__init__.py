"""PyTorch realizations of the category `normalization`."""
