using namespace kparity;

template <typename U, int N, int GROUP, int BATCH>
__global__ void __launch_bounds__(256)
logsumexp_rows(const U* __restrict__ x, U* __restrict__ y, long long rows, long long cols) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    x += row * cols;
    RunningSum running;
    for (long long first = threadIdx.x * N; first < cols; first += BATCH * GROUP * N) {
        Vec<U, N> v[BATCH];  // loaded together, so that the loads do not wait for the sums
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N < cols) v[j] = load<N>(x + first + j * GROUP * N);
        }
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N < cols) running.add(v[j]);
        }
    }
    running.combine<GROUP>();
    if (inside && threadIdx.x == 0) y[row] = from_float<U>(running.top + logf(running.sum));
}
