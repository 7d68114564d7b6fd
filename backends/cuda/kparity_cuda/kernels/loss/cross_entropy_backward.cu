using namespace kparity;

template <typename U, int N, int GROUP, int BATCH>
__global__ void __launch_bounds__(256)
cross_entropy_backward_rows(const U* __restrict__ logits, const int* __restrict__ targets,
                            const float* __restrict__ dloss, U* __restrict__ dlogits, long long rows,
                            long long classes, long long ignore_index, float smoothing) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    const U* x = logits + row * classes;
    U* dx = dlogits + row * classes;
    const int target = targets[row];
    const bool kept = target != ignore_index;
    RunningSum running;
    for (long long first = threadIdx.x * N; kept && first < classes; first += BATCH * GROUP * N) {
        Vec<U, N> v[BATCH];  // loaded together, so that the loads do not wait for the sums
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N < classes) v[j] = load<N>(x + first + j * GROUP * N);
        }
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N < classes) running.add(v[j]);
        }
    }
    running.combine<GROUP>();
    if (!inside) return;
    const float weight = dloss[row], scale = 1.0f / running.sum, floor = smoothing / static_cast<float>(classes);
    for (long long c = threadIdx.x * N; c < classes; c += GROUP * N) {
        Vec<U, N> v;
        if (kept) v = load<N>(x + c);
#pragma unroll
        for (int k = 0; k < N; ++k) {
            float gradient = 0.0f;
            if (kept) {
                gradient = expf(to_float(v[k]) - running.top) * scale;
                if (c + k == target) gradient -= 1.0f - smoothing;
                gradient = (gradient - floor) * weight;
            }
            v[k] = from_float<U>(gradient);
        }
        store(dx + c, v);
    }
}
