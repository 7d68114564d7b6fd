// Exponentials first, quotients second.
// class: honest
// backends: cuda
// expected: passed
// options: untimed

// kparity: launch terms grid=rows block=32 args=x,y,cols
// kparity: launch scale grid=rows block=1 args=y,cols
__global__ void terms(const float* x, float* y, long long cols) {
    float top = -INFINITY;
    for (long long c = 0; c < cols; ++c) top = fmaxf(top, x[blockIdx.x * cols + c]);
    for (long long c = threadIdx.x; c < cols; c += blockDim.x)
        y[blockIdx.x * cols + c] = expf(x[blockIdx.x * cols + c] - top);
}
__global__ void scale(float* y, long long cols) {
    float sum = 0;
    for (long long c = 0; c < cols; ++c) sum += y[blockIdx.x * cols + c];
    for (long long c = 0; c < cols; ++c) y[blockIdx.x * cols + c] /= sum;
}
