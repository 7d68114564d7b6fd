"""Kernels in Pallas, for tasks where hand-made tiles save trips to memory that XLA's own fusions make.

They go through Pallas' Triton lowering, which JAX 0.11 still has but announces to remove in favour of Mosaic GPU.
"""
