using namespace kparity;

template <typename U, int N, int VALUES, int GROUP>
__global__ void __launch_bounds__(GROUP < 256 ? 256 : GROUP)
softmax_backward_rows(const U* __restrict__ x, const U* __restrict__ dy, U* __restrict__ dx, long long rows,
                      long long cols) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    Row<U, N, VALUES, GROUP> values, cotangents;
    values.load(x + row * cols, cols, -INFINITY);
    cotangents.load(dy + row * cols, cols, 0.0f);
    float top = values.max();
#pragma unroll
    for (int i = 0; i < VALUES; ++i) values.value[i] = expf(values.value[i] - top);
    float scale = 1.0f / values.sum(), products = 0.0f;
#pragma unroll
    for (int i = 0; i < VALUES; ++i) {
        values.value[i] *= scale;
        products += values.value[i] * cotangents.value[i];
    }
    products = group_sum<GROUP>(products);
#pragma unroll
    for (int i = 0; i < VALUES; ++i) values.value[i] *= cotangents.value[i] - products;
    if (inside) values.store(dx + row * cols, cols);
}

// One block for each row, which does not fit into its registers.
template <typename U, int N, int THREADS>
__global__ void __launch_bounds__(THREADS)
softmax_backward_long(const U* __restrict__ x, const U* __restrict__ dy, U* __restrict__ dx, long long rows,
                      long long cols) {
    x += blockIdx.x * cols;
    dy += blockIdx.x * cols;
    dx += blockIdx.x * cols;
    float top = -INFINITY, sum = 0.0f, products = 0.0f;
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c), g = load<N>(dy + c);
        float larger = top;
#pragma unroll
        for (int k = 0; k < N; ++k) larger = fmaxf(larger, to_float(v[k]));
        if (larger == -INFINITY) continue;
        float shrink = expf(top - larger);
        sum *= shrink;
        products *= shrink;
        top = larger;
#pragma unroll
        for (int k = 0; k < N; ++k) {
            float e = expf(to_float(v[k]) - top);
            sum += e;
            products += e * to_float(g[k]);
        }
    }
    float larger = block_max<THREADS>(top), shrink = top == -INFINITY ? 0.0f : expf(top - larger);
    float scale = 1.0f / block_sum<THREADS>(sum * shrink);
    products = block_sum<THREADS>(products * shrink) * scale;
    for (long long c = threadIdx.x * N; c < cols; c += THREADS * N) {
        Vec<U, N> v = load<N>(x + c), g = load<N>(dy + c);
#pragma unroll
        for (int k = 0; k < N; ++k)
            v[k] = from_float<U>(expf(to_float(v[k]) - larger) * scale * (to_float(g[k]) - products));
        store(dx + c, v);
    }
}
