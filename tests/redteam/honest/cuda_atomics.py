# A sum by atomic additions on zeroed scratch.
# class: honest
# backends: cuda
# expected: passed
# options: untimed

from kparity_cuda import cuda_kernel


@cuda_kernel(
    source="""
__global__ void total(const float* x, float* s, long long cols) {
    float sum = 0;
    for (long long c = threadIdx.x; c < cols; c += blockDim.x) sum += expf(x[blockIdx.x * cols + c]);
    atomicAdd(s + blockIdx.x, sum);
}
__global__ void divide(const float* x, const float* s, float* y, long long cols) {
    for (long long c = threadIdx.x; c < cols; c += blockDim.x)
        y[blockIdx.x * cols + c] = expf(x[blockIdx.x * cols + c]) / s[blockIdx.x];
}
"""
)
def softmax(launch, x, y):
    s = launch.zeros((x.shape[0],), "float32")
    launch("total", (x.shape[0],), (64,), (x, s, x.shape[1]))
    launch("divide", (x.shape[0],), (64,), (x, s, y, x.shape[1]))
