// Small helpers for kernels, the same under NVRTC and under the CPU shim. Every translation unit includes it first.
//
//   KPARITY_SHARED(type, name)      dynamic shared memory as `type* name`, aligned to 128 bytes
//   to_float(x), from_float<T>(f)   storage format <-> float; rounds to nearest, ties to even
//   Vec<T, N>, load, store          N elements in one aligned access; 16 bytes is what a thread moves best
//   warp_sum, warp_max              over groups of WIDTH neighbouring lanes; every lane gets the result
//   block_sum, block_max            over a block of THREADS threads in x; every thread gets the result
//   group_sum, group_max            over the GROUP threads in x that share a row: part of a warp, or a whole block
//   Row<T, N, VALUES, GROUP>        a row held in the registers of such a group
//   RunningSum                      sum of exponentials below a running maximum, in one pass
//   normal_cdf                      the normal distribution function, accurate in its tail
#pragma once
#ifndef KPARITY_SHIM
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define KPARITY_SHARED(type, name)                                     \
    extern __shared__ __align__(128) unsigned char kparity_shared[]; \
    type* name = reinterpret_cast<type*>(kparity_shared)
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#endif

namespace kparity {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename U>
__device__ inline U from_float(float x);
template <>
__device__ inline float from_float<float>(float x) { return x; }
template <>
__device__ inline __half from_float<__half>(float x) { return __float2half_rn(x); }
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

template <typename U, int N>
struct alignas(sizeof(U) * N) Vec {
    U value[N];
    __device__ U& operator[](int i) { return value[i]; }
    __device__ const U& operator[](int i) const { return value[i]; }
};

template <int N, typename U>
__device__ inline Vec<U, N> load(const U* from) { return *reinterpret_cast<const Vec<U, N>*>(from); }
template <typename U, int N>
__device__ inline void store(U* to, const Vec<U, N>& values) { *reinterpret_cast<Vec<U, N>*>(to) = values; }

template <int WIDTH = 32>
__device__ inline float warp_sum(float x) {
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

template <int WIDTH = 32>
__device__ inline float warp_max(float x) {
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

// One value from each warp, handed to every thread: `partials[i]` is warp i's. The first barrier lets threads leave an
// earlier exchange; THREADS / 32 must be a power of two.
template <int THREADS>
__device__ inline float exchange(float x) {
    __shared__ float partials[THREADS / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0) partials[threadIdx.x / 32] = x;
    __syncthreads();
    return partials[threadIdx.x % (THREADS / 32)];
}

template <int THREADS>
__device__ inline float block_sum(float x) {
    x = warp_sum(x);
    if constexpr (THREADS > 32) x = warp_sum<THREADS / 32>(exchange<THREADS>(x));
    return x;
}

template <int THREADS>
__device__ inline float block_max(float x) {
    x = warp_max(x);
    if constexpr (THREADS > 32) x = warp_max<THREADS / 32>(exchange<THREADS>(x));
    return x;
}

template <int GROUP>
__device__ inline float group_sum(float x) {
    if constexpr (GROUP > 32) return block_sum<GROUP>(x);
    return warp_sum<GROUP>(x);
}

template <int GROUP>
__device__ inline float group_max(float x) {
    if constexpr (GROUP > 32) return block_max<GROUP>(x);
    return warp_max<GROUP>(x);
}

// Up to GROUP * VALUES elements of a row, in float. Neighbouring threads hold neighbouring vectors of N elements, so
// that every access is coalesced; a row is read once, however often its values are used.
template <typename U, int N, int VALUES, int GROUP>
struct Row {
    float value[VALUES];

    // Column of value i; the N values of a vector are neighbours.
    __device__ static int column(int i) { return (i / N * GROUP + static_cast<int>(threadIdx.x)) * N + i % N; }

    __device__ void load(const U* from, int cols, float beyond) {
#pragma unroll
        for (int i = 0; i < VALUES; i += N) {
            Vec<U, N> v;
            bool inside = column(i) < cols;
            if (inside) v = kparity::load<N>(from + column(i));
#pragma unroll
            for (int k = 0; k < N; ++k) value[i + k] = inside ? to_float(v[k]) : beyond;
        }
    }

    __device__ void store(U* to, int cols) const {
#pragma unroll
        for (int i = 0; i < VALUES; i += N) {
            Vec<U, N> v;
#pragma unroll
            for (int k = 0; k < N; ++k) v[k] = from_float<U>(value[i + k]);
            if (column(i) < cols) kparity::store(to + column(i), v);
        }
    }

    __device__ float sum() const {
        float result = 0.0f;
#pragma unroll
        for (int i = 0; i < VALUES; ++i) result += value[i];
        return group_sum<GROUP>(result);
    }

    __device__ float max() const {
        float result = value[0];
#pragma unroll
        for (int i = 1; i < VALUES; ++i) result = fmaxf(result, value[i]);
        return group_max<GROUP>(result);
    }
};

// sum = sum_i exp(x_i - top), top = max_i x_i, over the elements seen so far. The fast exponential's relative error
// grows with its argument's size, but a term that far below the maximum hardly counts.
struct RunningSum {
    float top = -INFINITY, sum = 0.0f;

    template <typename U, int N>
    __device__ void add(const Vec<U, N>& v) {
        float larger = top;
#pragma unroll
        for (int k = 0; k < N; ++k) larger = fmaxf(larger, to_float(v[k]));
        if (larger == -INFINITY) return;
        sum *= expf(top - larger);
        top = larger;
#pragma unroll
        for (int k = 0; k < N; ++k) sum += __expf(to_float(v[k]) - top);
    }

    // Over the group: afterwards every thread has the row's.
    template <int GROUP>
    __device__ void combine() {
        float larger = group_max<GROUP>(top);
        sum = group_sum<GROUP>(larger == -INFINITY ? 0.0f : sum * expf(top - larger));
        top = larger;
    }
};

// Phi(x) with a small relative error for negative x too, in a third of erfc's instructions. The tail is
// Phi(-a) = exp(-a^2 / 2) t P(t) with t = 1 / (1 + 0.24 a), which maps [0, inf) to (0, 1]; P is the polynomial of degree
// 9 with the least relative error over 0 <= a <= 20, which is 4e-9 before rounding. Nothing overflows.
__device__ inline float normal_cdf(float x) {
    float a = fabsf(x), t = __fdividef(1.0f, 1.0f + 0.24f * a);
    float p = 0.025488317f * t - 0.124484196f;
    p = p * t + 0.205248445f;
    p = p * t - 0.144142985f;
    p = p * t + 0.141504943f;
    p = p * t + 0.0280341227f;
    p = p * t + 0.0878383294f;
    p = p * t + 0.088909924f;
    p = p * t + 0.0958613008f;
    p = p * t + 0.0957418010f;
    float tail = expf(-0.5f * a * a) * (p * t);
    return x < 0.0f ? tail : 1.0f - tail;
}

}  // namespace kparity
