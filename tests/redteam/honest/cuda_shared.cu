// A tree in shared memory, barriers between its levels.
// class: honest
// backends: cuda
// expected: passed
// options: untimed

// kparity: launch rows grid=rows block=128 args=x,y,cols
__global__ void rows(const float* x, float* y, long long cols) {
    __shared__ float part[128];
    const float* in = x + blockIdx.x * cols;
    float top = -INFINITY;
    for (long long c = threadIdx.x; c < cols; c += 128) top = fmaxf(top, in[c]);
    part[threadIdx.x] = top;
    __syncthreads();
    for (int step = 64; step; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] = fmaxf(part[threadIdx.x], part[threadIdx.x + step]);
        __syncthreads();
    }
    top = part[0];
    __syncthreads();
    float sum = 0;
    for (long long c = threadIdx.x; c < cols; c += 128) sum += expf(in[c] - top);
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int step = 64; step; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
        __syncthreads();
    }
    sum = part[0];
    for (long long c = threadIdx.x; c < cols; c += 128) y[blockIdx.x * cols + c] = expf(in[c] - top) / sum;
}
