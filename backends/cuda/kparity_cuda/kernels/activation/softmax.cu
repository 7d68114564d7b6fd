using namespace kparity;

template <typename U, int N, int VALUES, int GROUP>
__global__ void __launch_bounds__(GROUP < 256 ? 256 : GROUP)
softmax_rows(const U* __restrict__ x, U* __restrict__ y, long long rows, long long cols) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    Row<U, N, VALUES, GROUP> values;
    values.load(x + row * cols, cols, -INFINITY);
    float top = values.max();
#pragma unroll
    for (int i = 0; i < VALUES; ++i) values.value[i] = expf(values.value[i] - top);
    float scale = 1.0f / values.sum();
#pragma unroll
    for (int i = 0; i < VALUES; ++i) values.value[i] *= scale;
    if (inside) values.store(y + row * cols, cols);
}

// One block for each row, which does not fit into its registers.
template <typename U, int N, int THREADS>
__global__ void __launch_bounds__(THREADS)
softmax_long(const U* __restrict__ x, U* __restrict__ y, long long rows, long long cols) {
    x += blockIdx.x * cols;
    y += blockIdx.x * cols;
    RunningSum running;
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) running.add(load<N>(x + c));
    running.combine<THREADS>();
    float scale = 1.0f / running.sum;
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c);
#pragma unroll
        for (int k = 0; k < N; ++k) v[k] = from_float<U>(expf(to_float(v[k]) - running.top) * scale);
        store(y + c, v);
    }
}
