using namespace kparity;

template <typename U, int N, int ROWS>
__global__ void add_bias_tile(const U* __restrict__ x, const U* __restrict__ bias, U* __restrict__ y, long long rows,
                              long long cols) {
    long long column = (static_cast<long long>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y * ROWS + threadIdx.y;
    if (column >= cols) return;
    Vec<U, N> b = load<N>(bias + column);
    Vec<U, N> v[ROWS];
#pragma unroll
    for (int j = 0; j < ROWS; ++j) {
        long long r = row + j * blockDim.y;
        if (r < rows) v[j] = load<N>(x + r * cols + column);
    }
#pragma unroll
    for (int j = 0; j < ROWS; ++j) {
        long long r = row + j * blockDim.y;
        if (r >= rows) return;
#pragma unroll
        for (int k = 0; k < N; ++k) v[j][k] = from_float<U>(to_float(v[j][k]) + to_float(b[k]));
        store(y + r * cols + column, v[j]);
    }
}
