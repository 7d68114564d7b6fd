# Scratch from the launcher.
# class: honest
# backends: cuda
# expected: passed
# options: untimed

from kparity_cuda import cuda_kernel


@cuda_kernel(
    source="""
__global__ void rows(const float* x, float* y, long long cols) {
    const float* in = x + blockIdx.x * cols;
    float top = -INFINITY, sum = 0;
    for (long long c = 0; c < cols; ++c) top = fmaxf(top, in[c]);
    for (long long c = 0; c < cols; ++c) sum += expf(in[c] - top);
    for (long long c = threadIdx.x; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = expf(in[c] - top) / sum;
}
"""
)
def softmax(launch, x, y):
    scratch = launch.zeros(x.shape, "float32")
    launch("rows", (x.shape[0],), (32,), (x, scratch, x.shape[1]))
    launch.copy(y, scratch)
