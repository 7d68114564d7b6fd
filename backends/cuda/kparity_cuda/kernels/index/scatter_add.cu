using namespace kparity;

// Put every update at the front of its row's list. Links count from one; zero ends a list.
__global__ void link_updates(const int* __restrict__ indices, int* heads, int* __restrict__ links, long long count) {
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) links[i] = atomicExch(&heads[indices[i]], static_cast<int>(i + 1));
}

template <typename U, int N>
__global__ void sum_rows(const U* __restrict__ base, const int* __restrict__ heads, const int* __restrict__ links,
                         const U* __restrict__ updates, U* __restrict__ out, long long rows, long long width) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    long long column = (static_cast<long long>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
    if (row >= rows || column >= width) return;
    int link = heads[row];
    Vec<U, N> v = load<N>(base + row * width + column);
    float sum[N];
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] = to_float(v[k]);
    while (link) {
        long long update = link - 1;
        link = links[update];
        v = load<N>(updates + update * width + column);
#pragma unroll
        for (int k = 0; k < N; ++k) sum[k] += to_float(v[k]);
    }
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = from_float<U>(sum[k]);
    store(out + row * width + column, v);
}
