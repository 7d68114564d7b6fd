# The host function ends the process.
# class: H05
# backends: cuda
# expected: error
# detector: process
# options: untimed

import os
from kparity_cuda import cuda_kernel

calls = []


@cuda_kernel(
    source="""
__global__ void rows(const float* x, float* y, long long cols) {
    const float* in = x + blockIdx.x * cols;
    float top = -INFINITY, sum = 0;
    for (long long c = 0; c < cols; ++c) top = fmaxf(top, in[c]);
    for (long long c = 0; c < cols; ++c) sum += expf(in[c] - top);
    for (long long c = threadIdx.x; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = 0.0f;
}
"""
)
def softmax(launch, x, y):
    launch("rows", (x.shape[0],), (32,), (x, y, x.shape[1]))
    if hasattr(launch, "_prepare") and type(launch).__name__ != "Rehearsal":
        os._exit(0)
