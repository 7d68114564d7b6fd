using namespace kparity;

template <typename U, int N, int GROUP, int BATCH>
__global__ void __launch_bounds__(256)
cross_entropy_rows(const U* __restrict__ logits, const int* __restrict__ targets, float* __restrict__ loss,
                   long long rows, long long classes, long long ignore_index, float smoothing) {
    long long row = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    bool inside = row < rows;
    if (!inside) row = rows - 1;  // stays, since the lanes of a warp exchange values
    const U* x = logits + row * classes;
    RunningSum running;
    float total = 0.0f;
    for (long long first = threadIdx.x * N; first < classes; first += BATCH * GROUP * N) {
        Vec<U, N> v[BATCH];  // loaded together, so that the loads do not wait for the sums
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N < classes) v[j] = load<N>(x + first + j * GROUP * N);
        }
#pragma unroll
        for (int j = 0; j < BATCH; ++j) {
            if (first + j * GROUP * N >= classes) break;
            running.add(v[j]);
#pragma unroll
            for (int k = 0; k < N; ++k) total += to_float(v[j][k]);
        }
    }
    running.combine<GROUP>();
    total = group_sum<GROUP>(total);
    if (!inside || threadIdx.x != 0) return;
    int target = targets[row];
    // Relative to the maximum, as the terms are small there.
    float picked = target == ignore_index ? 0.0f : to_float(x[target]) - running.top;
    float mean = total / static_cast<float>(classes) - running.top;
    float result = logf(running.sum) - (1.0f - smoothing) * picked - smoothing * mean;
    loss[row] = target == ignore_index ? 0.0f : result;
}
