using namespace kparity;

// Sum over the lanes before this one, within groups of WIDTH lanes; `total` becomes the sum over all of them.
template <int WIDTH>
__device__ float sum_before(float x, float& total) {
    float sum = x;
#pragma unroll
    for (int step = 1; step < WIDTH; step *= 2) {
        float other = __shfl_up_sync(0xffffffffu, sum, step, WIDTH);
        if (threadIdx.x % WIDTH >= step) sum += other;
    }
    total = __shfl_sync(0xffffffffu, sum, WIDTH - 1, WIDTH);
    float before = __shfl_up_sync(0xffffffffu, sum, 1, WIDTH);
    return threadIdx.x % WIDTH == 0 ? 0.0f : before;
}

template <typename U, int N, int VALUES, int GROUP>
__global__ void __launch_bounds__(256)
cumsum_rows(const U* __restrict__ x, U* __restrict__ y, long long rows, long long cols) {
    constexpr int CHUNKS = VALUES / N, LANES = GROUP < 32 ? GROUP : 32, WARPS = GROUP / LANES;
    __shared__ float totals[CHUNKS * WARPS + 1];
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    int warp = threadIdx.x / LANES;
    float carry = 0.0f;
    for (long long first = 0; first < cols; first += VALUES * GROUP) {
        Row<U, N, VALUES, GROUP> values;
        int rest = static_cast<int>(min(cols - first, static_cast<long long>(VALUES * GROUP)));
        values.load(x + row * cols + first, rest, 0.0f);
        float before[CHUNKS];  // what precedes each of this thread's vectors, at first within the warp
#pragma unroll
        for (int j = 0; j < CHUNKS; ++j) {
#pragma unroll
            for (int k = 1; k < N; ++k) values.value[j * N + k] += values.value[j * N + k - 1];
            float total;
            before[j] = sum_before<LANES>(values.value[j * N + N - 1], total);
            if constexpr (WARPS == 1) {
                before[j] += carry;
                carry += total;
            } else if (threadIdx.x % LANES == 0) {
                totals[j * WARPS + warp] = total;
            }
        }
        if constexpr (WARPS > 1) {
            __syncthreads();
            if (warp == 0) {  // the warps' totals, in the order of the row, become the sums before them
                float sum = carry;
#pragma unroll
                for (int from = 0; from < CHUNKS * WARPS; from += LANES) {
                    int i = from + threadIdx.x;
                    float total, inner = sum_before<LANES>(i < CHUNKS * WARPS ? totals[i] : 0.0f, total);
                    if (i < CHUNKS * WARPS) totals[i] = sum + inner;
                    sum += total;
                }
                if (threadIdx.x == 0) totals[CHUNKS * WARPS] = sum;
            }
            __syncthreads();
#pragma unroll
            for (int j = 0; j < CHUNKS; ++j) before[j] += totals[j * WARPS + warp];
            carry = totals[CHUNKS * WARPS];
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < VALUES; ++i) values.value[i] += before[i / N];
        if (inside) values.store(y + row * cols + first, rest);
    }
}
