"""The PyTorch backend of kparity, eager and compiled: the usual baseline. Importing it imports no torch."""

from kparity_torch.backend import TorchBackend

__all__ = ["TorchBackend"]
