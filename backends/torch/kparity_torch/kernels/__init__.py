"""The tasks in idiomatic PyTorch, one file each, and the helper that they share."""
