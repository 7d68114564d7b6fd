// CUDA C++ as seen by a host compiler: the part of the language and its library that kernels commonly use.
// Threads of a block are fibers (see runtime.cpp); blocks run one after another.
#pragma once
#define KPARITY_SHIM 1
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static
#define __managed__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define asm static_assert(false, "kparity-unsupported: inline PTX")
#define __asm__ asm
#define KPARITY_SHARED(type, name) type* const name = reinterpret_cast<type*>(kparity_shim::shared)

// ------------------------------------------------------------------------------------------------ vector types
#define KPARITY_VECTORS(name, type)                                                                                    \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                                         \
    struct name##3 { type x, y, z; };                                                                                \
    struct alignas(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; };                      \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                                 \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                                      \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
KPARITY_VECTORS(char, signed char)
KPARITY_VECTORS(uchar, unsigned char)
KPARITY_VECTORS(short, short)
KPARITY_VECTORS(ushort, unsigned short)
KPARITY_VECTORS(int, int)
KPARITY_VECTORS(uint, unsigned int)
KPARITY_VECTORS(longlong, long long)
KPARITY_VECTORS(ulonglong, unsigned long long)
KPARITY_VECTORS(float, float)
KPARITY_VECTORS(double, double)
#undef KPARITY_VECTORS
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// ------------------------------------------------------------------------------------------------ threads
namespace kparity_shim {
constexpr int shared_bytes = 232448;  // what a block of an H100 may have
extern unsigned char shared[shared_bytes];
extern uint3 thread, block;
extern dim3 block_extent, grid_extent;
[[noreturn]] void fail(const char* message);
// Wait for every thread of the block that has not returned.
void block_barrier();
// Wait for every lane of `mask`; the last to come runs `finish` on all lanes' payloads.
using Finish = void (*)(void* const* payloads, unsigned mask);
void collective(unsigned mask, void* payload, Finish finish);
extern int current_lane;
inline int lane() { return current_lane; }
// Run all blocks; `once` runs the kernel in the current thread. Returns why it failed, or null.
const char* launch(dim3 grid, dim3 extent, void** values, void (*once)(void**));
}  // namespace kparity_shim
#define threadIdx kparity_shim::thread
#define blockIdx kparity_shim::block
#define blockDim kparity_shim::block_extent
#define gridDim kparity_shim::grid_extent
constexpr int warpSize = 32;

inline void __syncthreads() { kparity_shim::block_barrier(); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __trap() { kparity_shim::fail("__trap()"); }
inline long long clock64() { return 0; }
#undef assert
#define assert(condition) ((condition) ? (void)0 : kparity_shim::fail("assertion failed: " #condition))

namespace kparity_shim {
template <typename U>
struct Shuffle {
    U given, taken;
    int source;
};

template <typename U>
U shuffle(unsigned mask, U value, int source) {
    Shuffle<U> own{value, value, source};
    collective(mask, &own, [](void* const* payloads, unsigned lanes) {
        for (unsigned rest = lanes; rest; rest &= rest - 1) {
            auto* taker = static_cast<Shuffle<U>*>(payloads[__builtin_ctz(rest)]);
            if (lanes >> taker->source & 1) taker->taken = static_cast<Shuffle<U>*>(payloads[taker->source])->given;
        }
    });
    return own.taken;
}

struct Vote {
    unsigned given, taken;
};

inline unsigned vote(unsigned mask, bool predicate) {
    Vote own{predicate, 0};
    collective(mask, &own, [](void* const* payloads, unsigned lanes) {
        unsigned word = 0;
        for (unsigned rest = lanes; rest; rest &= rest - 1) {
            int at = __builtin_ctz(rest);
            word |= static_cast<Vote*>(payloads[at])->given << at;
        }
        for (unsigned rest = lanes; rest; rest &= rest - 1) {
            static_cast<Vote*>(payloads[__builtin_ctz(rest)])->taken = word;
        }
    });
    return own.taken;
}

// Wait for the block; the number of threads for which the predicate holds.
int block_count(bool predicate);
}  // namespace kparity_shim

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    kparity_shim::collective(mask, nullptr, [](void* const*, unsigned) {});
}
template <typename U>
U __shfl_sync(unsigned mask, U value, int source, int width = 32) {
    int lane = kparity_shim::lane();
    return kparity_shim::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <typename U>
U __shfl_xor_sync(unsigned mask, U value, int step, int width = 32) {
    int lane = kparity_shim::lane(), source = lane ^ step;
    return kparity_shim::shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : lane);
}
template <typename U>
U __shfl_down_sync(unsigned mask, U value, unsigned step, int width = 32) {
    int lane = kparity_shim::lane(), inside = lane & (width - 1);
    int source = lane + static_cast<int>(step);
    return kparity_shim::shuffle(mask, value, inside + static_cast<int>(step) < width ? source : lane);
}
template <typename U>
U __shfl_up_sync(unsigned mask, U value, unsigned step, int width = 32) {
    int lane = kparity_shim::lane(), inside = lane & (width - 1);
    return kparity_shim::shuffle(mask, value, inside >= static_cast<int>(step) ? lane - static_cast<int>(step) : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return kparity_shim::vote(mask, predicate); }
inline int __any_sync(unsigned mask, int predicate) { return kparity_shim::vote(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return kparity_shim::vote(mask, !predicate) == 0; }
// Lanes that share a branch come here one at a time: each may take itself for the only one.
inline unsigned __activemask() { return 1u << kparity_shim::lane(); }
template <typename U>
unsigned __match_any_sync(unsigned mask, U value) {
    unsigned same = 0;
    for (unsigned rest = mask; rest; rest &= rest - 1) {
        int at = __builtin_ctz(rest);
        if (__shfl_sync(mask, value, at) == value) same |= 1u << at;
    }
    return same;
}
inline int __syncthreads_count(int predicate) { return kparity_shim::block_count(predicate); }
inline int __syncthreads_or(int predicate) { return kparity_shim::block_count(predicate) != 0; }
inline int __syncthreads_and(int predicate) { return kparity_shim::block_count(!predicate) == 0; }

template <typename U>
unsigned __reduce_add_sync(unsigned mask, U value) {
    U sum = 0;
    for (unsigned rest = mask; rest; rest &= rest - 1) sum += __shfl_sync(mask, value, __builtin_ctz(rest));
    return sum;
}

// ------------------------------------------------------------------------------------------------ arithmetic
#define KPARITY_MIN_MAX(type)                                     \
    constexpr type min(type a, type b) { return b < a ? b : a; } \
    constexpr type max(type a, type b) { return a < b ? b : a; }
KPARITY_MIN_MAX(int)
KPARITY_MIN_MAX(unsigned)
KPARITY_MIN_MAX(long)
KPARITY_MIN_MAX(unsigned long)
KPARITY_MIN_MAX(long long)
KPARITY_MIN_MAX(unsigned long long)
#undef KPARITY_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
constexpr unsigned min(int a, unsigned b) { return min(static_cast<unsigned>(a), b); }
constexpr unsigned max(int a, unsigned b) { return max(static_cast<unsigned>(a), b); }
constexpr unsigned min(unsigned a, int b) { return min(a, static_cast<unsigned>(b)); }
constexpr unsigned max(unsigned a, int b) { return max(a, static_cast<unsigned>(b)); }
constexpr long long min(long long a, int b) { return min(a, static_cast<long long>(b)); }
constexpr long long max(long long a, int b) { return max(a, static_cast<long long>(b)); }
constexpr long long min(int a, long long b) { return min(static_cast<long long>(a), b); }
constexpr long long max(int a, long long b) { return max(static_cast<long long>(a), b); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp2f(x * 3.32192809488736235f); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanhf(float x) { return tanhf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
namespace kparity_shim {
template <typename To, typename From>
inline To bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To result;
    __builtin_memcpy(&result, &value, sizeof(To));
    return result;
}
template <typename U>
struct Same { using type = U; };
template <typename U>
using NotDeduced = typename Same<U>::type;
}  // namespace kparity_shim
inline int __float_as_int(float x) { return kparity_shim::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return kparity_shim::bits<unsigned>(x); }
inline float __int_as_float(int x) { return kparity_shim::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return kparity_shim::bits<float>(x); }

// ------------------------------------------------------------------------------------------------ memory
#define KPARITY_LOAD(name)        \
    template <typename U>         \
    inline U name(const U* from) { return *from; }
KPARITY_LOAD(__ldg)
KPARITY_LOAD(__ldca)
KPARITY_LOAD(__ldcg)
KPARITY_LOAD(__ldcs)
KPARITY_LOAD(__ldlu)
KPARITY_LOAD(__ldcv)
#undef KPARITY_LOAD
#define KPARITY_STORE(name) \
    template <typename U>   \
    inline void name(U* to, kparity_shim::NotDeduced<U> value) { *to = value; }
KPARITY_STORE(__stwb)
KPARITY_STORE(__stcg)
KPARITY_STORE(__stcs)
KPARITY_STORE(__stwt)
#undef KPARITY_STORE
#define KPARITY_ATOMIC(name, result)                                  \
    template <typename U>                                             \
    inline U name(U* at, kparity_shim::NotDeduced<U> value) {         \
        U old = *at;                                                  \
        *at = result;                                                 \
        return old;                                                   \
    }
KPARITY_ATOMIC(atomicAdd, old + value)
KPARITY_ATOMIC(atomicSub, old - value)
KPARITY_ATOMIC(atomicMax, value > old ? value : old)
KPARITY_ATOMIC(atomicMin, value < old ? value : old)
KPARITY_ATOMIC(atomicExch, value)
KPARITY_ATOMIC(atomicAnd, old & value)
KPARITY_ATOMIC(atomicOr, old | value)
KPARITY_ATOMIC(atomicXor, old ^ value)
#undef KPARITY_ATOMIC
template <typename U>
inline U atomicCAS(U* at, kparity_shim::NotDeduced<U> expected, kparity_shim::NotDeduced<U> value) {
    U old = *at;
    if (old == expected) *at = value;
    return old;
}
inline float2 operator+(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }
inline float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }
inline void __pipeline_memcpy_async(void* to, const void* from, size_t size, size_t zeros = 0) {
    memcpy(to, from, size - zeros);
    memset(static_cast<char*>(to) + size - zeros, 0, zeros);
}
inline void __pipeline_commit() {}
inline void __pipeline_wait_prior(size_t) {}

// ------------------------------------------------------------------------------------------------ half and bfloat16
namespace kparity_shim {
inline float half_to_float(uint16_t half) {
    uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
        return bits<float>(sign | bits<uint32_t>(static_cast<float>(fraction) * 5.9604644775390625e-8f));
    }
    return bits<float>(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
}

inline uint16_t float_to_half(float value) {
    uint32_t word = bits<uint32_t>(value), sign = word >> 16 & 0x8000, magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) return 0x7fff;              // NaN
    if (magnitude >= 0x477ff000) return sign | 0x7c00;      // 65520 and beyond round to infinity
    if (magnitude < 0x38800000) {                           // subnormal: adding 0.5 leaves multiples of 2^-24
        return sign | (bits<uint32_t>(bits<float>(magnitude) + 0.5f) - 0x3f000000);
    }
    return sign | ((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13) - (112 << 10);
}

inline float bfloat16_to_float(uint16_t value) { return bits<float>(static_cast<uint32_t>(value) << 16); }

inline uint16_t float_to_bfloat16(float value) {
    uint32_t word = bits<uint32_t>(value);
    if ((word & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return (word + 0x7fff + (word >> 16 & 1)) >> 16;
}
}  // namespace kparity_shim

#define KPARITY_NARROW(name, name2, encode, decode)                                                    \
    struct name {                                                                                      \
        uint16_t word;                                                                                 \
        name() = default;                                                                              \
        name(float x) : word(kparity_shim::encode(x)) {}                                               \
        explicit name(double x) : word(kparity_shim::encode(static_cast<float>(x))) {}                 \
        explicit name(int x) : word(kparity_shim::encode(static_cast<float>(x))) {}                    \
        operator float() const { return kparity_shim::decode(word); }                                  \
        name& operator+=(name b) { return *this = name(float(*this) + float(b)); }                     \
        name& operator*=(name b) { return *this = name(float(*this) * float(b)); }                     \
    };                                                                                                 \
    struct alignas(4) name2 { name x, y; };                                                            \
    inline name operator+(name a, name b) { return name(float(a) + float(b)); }                        \
    inline name operator-(name a, name b) { return name(float(a) - float(b)); }                        \
    inline name operator*(name a, name b) { return name(float(a) * float(b)); }                        \
    inline name operator/(name a, name b) { return name(float(a) / float(b)); }                        \
    inline name operator-(name a) { return name(-float(a)); }                                          \
    inline bool operator<(name a, name b) { return float(a) < float(b); }                              \
    inline bool operator>(name a, name b) { return float(a) > float(b); }                              \
    inline bool operator<=(name a, name b) { return float(a) <= float(b); }                            \
    inline bool operator>=(name a, name b) { return float(a) >= float(b); }                            \
    inline bool operator==(name a, name b) { return float(a) == float(b); }                            \
    inline bool operator!=(name a, name b) { return float(a) != float(b); }                            \
    inline name2 operator+(name2 a, name2 b) { return {a.x + b.x, a.y + b.y}; }                        \
    inline name __hadd(name a, name b) { return a + b; }                                               \
    inline name __hsub(name a, name b) { return a - b; }                                               \
    inline name __hmul(name a, name b) { return a * b; }                                               \
    inline name __hfma(name a, name b, name c) { return name(fmaf(float(a), float(b), float(c))); }    \
    inline name __hmax(name a, name b) { return name(fmaxf(float(a), float(b))); }                     \
    inline name __hmin(name a, name b) { return name(fminf(float(a), float(b))); }                     \
    inline bool __hgt(name a, name b) { return float(a) > float(b); }                                  \
    inline name2 __hadd2(name2 a, name2 b) { return {a.x + b.x, a.y + b.y}; }                          \
    inline name2 __hsub2(name2 a, name2 b) { return {a.x - b.x, a.y - b.y}; }                          \
    inline name2 __hmul2(name2 a, name2 b) { return {a.x * b.x, a.y * b.y}; }                          \
    inline name2 __hmax2(name2 a, name2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }            \
    inline name2 __hfma2(name2 a, name2 b, name2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; } \
    inline float __low2float(name2 a) { return float(a.x); }                                           \
    inline float __high2float(name2 a) { return float(a.y); }
KPARITY_NARROW(__half, __half2, float_to_half, half_to_float)
KPARITY_NARROW(__nv_bfloat16, __nv_bfloat162, float_to_bfloat16, bfloat16_to_float)
#undef KPARITY_NARROW
using half = __half;
using half2 = __half2;
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
inline __half __float2half(float x) { return __half(x); }
inline __half __float2half_rn(float x) { return __half(x); }
inline float __half2float(__half x) { return float(x); }
inline __half __ushort_as_half(unsigned short x) { return kparity_shim::bits<__half>(x); }
inline unsigned short __half_as_ushort(__half x) { return x.word; }
inline __half2 __floats2half2_rn(float x, float y) { return {__half(x), __half(y)}; }
inline __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }
inline float2 __half22float2(__half2 v) { return {float(v.x), float(v.y)}; }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __half2half2(__half x) { return {x, x}; }
inline __half2 __float2half2_rn(float x) { return {__half(x), __half(x)}; }
inline __half2 make_half2(__half x, __half y) { return {x, y}; }
inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
inline float __bfloat162float(__nv_bfloat16 x) { return float(x); }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) { return kparity_shim::bits<__nv_bfloat16>(x); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.word; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__nv_bfloat16(x), __nv_bfloat16(y)}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {__nv_bfloat16(v.x), __nv_bfloat16(v.y)}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {float(v.x), float(v.y)}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 x) { return {x, x}; }
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }

#include "kparity.cuh"
#include "wmma.h"
