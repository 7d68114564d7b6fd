"""The CPU backend of kparity: NumPy references and Numba kernels. Importing it imports no Numba."""

from kparity_cpu_ref.backend import CpuRefBackend

__all__ = ["CpuRefBackend"]
