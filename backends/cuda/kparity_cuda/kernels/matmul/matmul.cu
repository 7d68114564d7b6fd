// c = a b: float16 and bfloat16 on tensor cores, float32 on the float32 units. See matmul.py and gemm.cuh.
#include "gemm.cuh"
using namespace kparity;

template <int ROWS, int COLUMNS, int DEPTH, int WARP_ROWS, int WARP_COLUMNS, int STAGES, bool ALIGNED>
__global__ void __launch_bounds__(ROWS / WARP_ROWS * (COLUMNS / WARP_COLUMNS) * 32)
matmul_mma(const T* a, const T* b, T* c, long long m, long long n, long long k) {
    KPARITY_SHARED(uint4, shared);
    using Block = MmaBlock<T, ROWS, COLUMNS, DEPTH, WARP_ROWS, WARP_COLUMNS>;
    gemm<Block, STAGES, ALIGNED>(a, b, c, m, n, k, shared, Plain());
}

template <int ROWS, int COLUMNS, int DEPTH, int STAGES, bool ALIGNED>
__global__ void __launch_bounds__(ROWS * COLUMNS / 64, 2)
matmul_simt(const T* a, const T* b, T* c, long long m, long long n, long long k) {
    KPARITY_SHARED(uint4, shared);
    gemm<SimtBlock<ROWS, COLUMNS, DEPTH>, STAGES, ALIGNED>(a, b, c, m, n, k, shared, Plain());
}
