// c = gelu(a b + bias), the bias and the activation applied to the float32 sums. See matmul_bias_gelu.py and gemm.cuh.
#include "gemm.cuh"
using namespace kparity;

// z Phi(z). The tail, Phi(-|z|), keeps its relative accuracy where it is small, which 1 + erf would lose. float32 takes
// erfc from the library. For 16-bit results, exp(-z^2 / 2) t Q(t) with t = 1 / (1 + 0.36 |z|) takes half of its
// instructions; Q is a least-maximum fit of degree 6, good to 8e-7 of the tail for |z| < 13.5.
__device__ __forceinline__ float gelu(float z) {
    if constexpr (sizeof(T) == 4) {
        return z * normal_cdf(z);
    } else {
        const float t = __fdividef(1.0f, fmaf(0.36f, fabsf(z), 1.0f));
        float q = 0.0473447256f;
        q = fmaf(q, t, -0.1807521582f);
        q = fmaf(q, t, 0.1822981281f);
        q = fmaf(q, t, 0.0256234203f);
        q = fmaf(q, t, 0.1400575638f);
        q = fmaf(q, t, 0.1417106539f);
        q = fmaf(q, t, 0.1437174380f);
        const float tail = exp2f(-0.72134752044448170f * z * z) * (q * t);
        return z * (z < 0.0f ? tail : 1.0f - tail);
    }
}

struct BiasGelu {
    const T* bias;
    float shift[16 / sizeof(T)];

    __device__ __forceinline__ void begin(int column, int columns) {
#pragma unroll
        for (int i = 0; i < 16 / static_cast<int>(sizeof(T)); ++i)
            shift[i] = column + i < columns ? to_float(bias[column + i]) : 0.0f;
    }
    __device__ __forceinline__ float operator()(float sum, int i) const { return gelu(sum + shift[i]); }
};

template <int ROWS, int COLUMNS, int DEPTH, int WARP_ROWS, int WARP_COLUMNS, int STAGES, bool ALIGNED>
__global__ void __launch_bounds__(ROWS / WARP_ROWS * (COLUMNS / WARP_COLUMNS) * 32)
matmul_bias_gelu_mma(const T* a, const T* b, const T* bias, T* c, long long m, long long n, long long k) {
    KPARITY_SHARED(uint4, shared);
    using Block = MmaBlock<T, ROWS, COLUMNS, DEPTH, WARP_ROWS, WARP_COLUMNS>;
    gemm<Block, STAGES, ALIGNED>(a, b, c, m, n, k, shared, BiasGelu{bias});
}

template <int ROWS, int COLUMNS, int DEPTH, int STAGES, bool ALIGNED>
__global__ void __launch_bounds__(ROWS * COLUMNS / 64, 2)
matmul_bias_gelu_simt(const T* a, const T* b, const T* bias, T* c, long long m, long long n, long long k) {
    KPARITY_SHARED(uint4, shared);
    gemm<SimtBlock<ROWS, COLUMNS, DEPTH>, STAGES, ALIGNED>(a, b, c, m, n, k, shared, BiasGelu{bias});
}
