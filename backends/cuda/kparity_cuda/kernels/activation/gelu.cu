using namespace kparity;

// x * Phi(x), with Phi's relative precision kept where it is small; 1 + erf would cancel.
struct Exact {
    static __device__ float apply(float x) { return x * normal_cdf(x); }
};

// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)): one exponential, and no cancellation.
struct Tanh {
    static __device__ float apply(float x) {
        float u = 0.79788456f * (x + 0.044715f * x * x * x);
        return __fdividef(x, 1.0f + expf(-2.0f * u));
    }
};

template <typename U, int N, int VECTORS, typename Form>
__global__ void gelu_map(const U* __restrict__ x, U* __restrict__ y, long long n) {
    long long first = (static_cast<long long>(blockIdx.x) * VECTORS * blockDim.x + threadIdx.x) * N;
    long long step = static_cast<long long>(blockDim.x) * N;
    Vec<U, N> v[VECTORS];
#pragma unroll
    for (int j = 0; j < VECTORS; ++j) {
        if (first + j * step + N <= n) v[j] = load<N>(x + first + j * step);
    }
#pragma unroll
    for (int j = 0; j < VECTORS; ++j) {
        long long at = first + j * step;
        if (at + N <= n) {
#pragma unroll
            for (int k = 0; k < N; ++k) v[j][k] = from_float<U>(Form::apply(to_float(v[j][k])));
            store(y + at, v[j]);
        } else {
            for (; at < n; ++at) y[at] = from_float<U>(Form::apply(to_float(x[at])));
        }
    }
}
