using namespace kparity;

// Each group of threads takes every n-th row and writes one row of `partial`.
template <typename U, int N, int VALUES, int GROUP>
__global__ void __launch_bounds__(256)
rms_norm_backward_rows(const U* __restrict__ x, const U* __restrict__ weight, const U* __restrict__ dy,
                       U* __restrict__ dx, float* __restrict__ partial, long long rows, long long cols, float eps) {
    using Values = Row<U, N, VALUES, GROUP>;
    const long long first = static_cast<long long>(blockIdx.x) * blockDim.y, step = gridDim.x * blockDim.y;
    Values w;
    w.load(weight, cols, 0.0f);
    float total[VALUES] = {};
    for (long long base = first; base < rows; base += step) {  // as often for every group of a block
        long long row = base + threadIdx.y;
        bool inside = row < rows;
        if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
        Values values, cotangents;
        values.load(x + row * cols, cols, 0.0f);
        cotangents.load(dy + row * cols, cols, 0.0f);
        float squares = 0.0f, products = 0.0f;
#pragma unroll
        for (int i = 0; i < VALUES; ++i) {
            squares += values.value[i] * values.value[i];
            products += cotangents.value[i] * w.value[i] * values.value[i];
        }
        const float count = static_cast<float>(cols);
        const float inverse = rsqrtf(group_sum<GROUP>(squares) / count + eps);
        const float mean = group_sum<GROUP>(products) * inverse / count;
#pragma unroll
        for (int i = 0; i < VALUES; ++i) {
            const float normal = values.value[i] * inverse;
            if (inside) total[i] += cotangents.value[i] * normal;
            values.value[i] = inverse * (cotangents.value[i] * w.value[i] - normal * mean);
        }
        if (inside) values.store(dx + row * cols, cols);
    }
    partial += (first + threadIdx.y) * cols;
#pragma unroll
    for (int i = 0; i < VALUES; ++i) {
        if (Values::column(i) < cols) partial[Values::column(i)] = total[i];
    }
}

// The same for rows that do not fit into registers, one block for each; `partial` is zero before.
template <typename U, int N, int THREADS>
__global__ void __launch_bounds__(THREADS)
rms_norm_backward_long(const U* __restrict__ x, const U* __restrict__ weight, const U* __restrict__ dy,
                       U* __restrict__ dx, float* __restrict__ partial, long long rows, long long cols, float eps) {
    partial += blockIdx.x * cols;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const U *values = x + row * cols, *cotangents = dy + row * cols;
        float squares = 0.0f, products = 0.0f;
        for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
            Vec<U, N> v = load<N>(values + c), g = load<N>(cotangents + c), w = load<N>(weight + c);
#pragma unroll
            for (int k = 0; k < N; ++k) {
                squares += to_float(v[k]) * to_float(v[k]);
                products += to_float(g[k]) * to_float(w[k]) * to_float(v[k]);
            }
        }
        const float count = static_cast<float>(cols);
        const float inverse = rsqrtf(block_sum<THREADS>(squares) / count + eps);
        const float mean = block_sum<THREADS>(products) * inverse / count;
        for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
            Vec<U, N> v = load<N>(values + c), g = load<N>(cotangents + c), w = load<N>(weight + c);
#pragma unroll
            for (int k = 0; k < N; ++k) {
                const float normal = to_float(v[k]) * inverse;
                partial[c + k] += to_float(g[k]) * normal;
                v[k] = from_float<U>(inverse * (to_float(g[k]) * to_float(w[k]) - normal * mean));
            }
            store(dx + row * cols + c, v);
        }
    }
}

// dweight[c] = sum_i partial[i, c], TOGETHER columns a block, as many threads for each.
template <typename U, int TOGETHER>
__global__ void __launch_bounds__(TOGETHER * TOGETHER)
add_up(const float* __restrict__ partial, U* __restrict__ dweight, long long count, long long cols) {
    __shared__ float sums[TOGETHER][TOGETHER + 1];
    const long long column = static_cast<long long>(blockIdx.x) * TOGETHER + threadIdx.x;
    float sum = 0.0f;
    if (column < cols)
        for (long long i = threadIdx.y; i < count; i += TOGETHER) sum += partial[i * cols + column];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    sum = warp_sum<TOGETHER>(sums[threadIdx.x][threadIdx.y]);
    const long long own = static_cast<long long>(blockIdx.x) * TOGETHER + threadIdx.y;
    if (threadIdx.x == 0 && own < cols) dweight[own] = from_float<U>(sum);
}
