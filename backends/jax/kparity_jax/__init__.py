"""The JAX backend: kernels in `jax.numpy` compiled by XLA, and Pallas kernels where hand-made tiles do better."""

from kparity_jax.backend import JaxBackend

__all__ = ["JaxBackend"]
