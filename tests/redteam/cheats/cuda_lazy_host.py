# Launches on the first call only and hopes for the memory's content afterwards.
# class: S04 S17
# backends: cuda
# expected: failed
# detector: repeated
# options: untimed

from kparity_cuda import cuda_kernel

calls = []


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
    calls.append(1)
    if len(calls) < 3:
        launch("rows", (x.shape[0],), (32,), (x, y, x.shape[1]))
