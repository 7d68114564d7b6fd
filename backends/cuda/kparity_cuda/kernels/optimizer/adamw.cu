using namespace kparity;

template <typename U, int N>
__global__ void adamw_step(const U* __restrict__ param, const U* __restrict__ grad, const float* __restrict__ exp_avg,
                           const float* __restrict__ exp_avg_sq, U* __restrict__ new_param,
                           float* __restrict__ new_exp_avg, float* __restrict__ new_exp_avg_sq, long long n,
                           float beta1, float rest1, float beta2, float rest2, float keep, float rate,
                           float correction2, float eps) {
    auto update = [&](U& p, U g, float& m, float& v) {
        float gradient = to_float(g);
        m = beta1 * m + rest1 * gradient;
        v = beta2 * v + rest2 * gradient * gradient;
        p = from_float<U>(to_float(p) * keep - rate * m / (sqrtf(v / correction2) + eps));
    };
    long long at = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * N;
    if (at + N <= n) {
        Vec<U, N> p = load<N>(param + at), g = load<N>(grad + at);
        Vec<float, N> m = load<N>(exp_avg + at), v = load<N>(exp_avg_sq + at);
#pragma unroll
        for (int k = 0; k < N; ++k) update(p[k], g[k], m[k], v[k]);
        store(new_param + at, p);
        store(new_exp_avg + at, m);
        store(new_exp_avg_sq + at, v);
        return;
    }
    for (; at < n; ++at) {
        U p = param[at];
        float m = exp_avg[at], v = exp_avg_sq[at];
        update(p, grad[at], m, v);
        new_param[at] = p;
        new_exp_avg[at] = m;
        new_exp_avg_sq[at] = v;
    }
}
