using namespace kparity;

template <typename U, int N, int VALUES, int GROUP>
__global__ void __launch_bounds__(GROUP < 256 ? 256 : GROUP)
layer_norm_rows(const U* __restrict__ x, const U* __restrict__ weight, const U* __restrict__ bias, U* __restrict__ y,
                long long rows, long long cols, float eps) {
    using Values = Row<U, N, VALUES, GROUP>;
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    Values values;
    values.load(x + row * cols, cols, 0.0f);
    float mean = values.sum() / static_cast<float>(cols);
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < VALUES; ++i) {
        values.value[i] = Values::column(i) < cols ? values.value[i] - mean : 0.0f;
        squares += values.value[i] * values.value[i];
    }
    float scale = rsqrtf(group_sum<GROUP>(squares) / static_cast<float>(cols) + eps);
#pragma unroll
    for (int i = 0; i < VALUES; i += N) {
        if (Values::column(i) >= cols) continue;
        Vec<U, N> w = load<N>(weight + Values::column(i)), b = load<N>(bias + Values::column(i));
#pragma unroll
        for (int k = 0; k < N; ++k) values.value[i + k] = values.value[i + k] * scale * to_float(w[k]) + to_float(b[k]);
    }
    if (inside) values.store(y + row * cols, cols);
}

// One block for each row, which does not fit into its registers.
template <typename U, int N, int THREADS>
__global__ void __launch_bounds__(THREADS)
layer_norm_long(const U* __restrict__ x, const U* __restrict__ weight, const U* __restrict__ bias, U* __restrict__ y,
                long long rows, long long cols, float eps) {
    x += blockIdx.x * cols;
    y += blockIdx.x * cols;
    float sum = 0.0f, squares = 0.0f;
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c);
#pragma unroll
        for (int k = 0; k < N; ++k) sum += to_float(v[k]);
    }
    float mean = block_sum<THREADS>(sum) / static_cast<float>(cols);
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c);
#pragma unroll
        for (int k = 0; k < N; ++k) squares += (to_float(v[k]) - mean) * (to_float(v[k]) - mean);
    }
    float scale = rsqrtf(block_sum<THREADS>(squares) / static_cast<float>(cols) + eps);
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c), w = load<N>(weight + c), b = load<N>(bias + c);
#pragma unroll
        for (int k = 0; k < N; ++k) {
            v[k] = from_float<U>((to_float(v[k]) - mean) * scale * to_float(w[k]) + to_float(b[k]));
        }
        store(y + c, v);
    }
}
