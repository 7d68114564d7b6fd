// NaN everywhere.
// class: S13
// backends: cuda
// expected: failed
// detector: non_finite
// options: untimed

// kparity: launch rows grid=rows block=32 args=x,y,cols

__global__ void rows(const float* x, float* y, long long cols) {
    const float* in = x + blockIdx.x * cols;
    float top = -INFINITY, sum = 0;
    for (long long c = 0; c < cols; ++c) top = fmaxf(top, in[c]);
    for (long long c = 0; c < cols; ++c) sum += expf(in[c] - top);
    for (long long c = threadIdx.x; c < cols; c += blockDim.x) y[blockIdx.x * cols + c] = nanf("");
}
