"""Two-dimensional convolution, NCHW.

Bytes: image, weights and result once each; operations: 2 kernel_h kernel_w in_channels / groups for each output, so
with many channels this is a matrix product and belongs on the tensor cores. XLA calls the vendor's convolution and
picks the layout and the algorithm by measurement.

Operands are widened to float32 and multiplied with the default precision, TF32 on NVIDIA GPUs, which represents every
float16 and bfloat16 number exactly: products are exact, sums are float32, and the bias is added before the one
rounding.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def conv2d(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> jax.Array:
    """Cross-correlation with zero padding, plus bias[o] for every output channel o."""
    y = lax.conv_general_dilated(
        x.astype(jnp.float32),
        weight.astype(jnp.float32),
        window_strides=(stride, stride),
        padding=((padding, padding), (padding, padding)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=groups,
    )
    return (y + bias.astype(jnp.float32)[:, None, None]).astype(x.dtype)
