"""PyTorch realizations of the category `fuse`."""
