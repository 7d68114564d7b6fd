// The tensor-core and asynchronous-copy instructions of sm_80 and later, one small function each.
//
// A matrix-multiply instruction works on 16 rows of A, 8 columns of B and 32 bytes of the common axis: 16 numbers of a
// 16-bit type, or 8 of float32 rounded to TF32. Both operands lie along the common axis, and the fragments are counted
// in 32-bit registers, so that the same loading code serves every type (lane = 4 * group + member):
//
//     a[0], a[1]   rows group and group + 8, bytes 4 * member .. + 3      b[0]   column group, bytes 4 * member .. + 3
//     a[2], a[3]   the same rows, 16 bytes further                        b[1]   the same column, 16 bytes further
//     c[0], c[1]   row group, columns 2 * member and + 1                  c[2], c[3]   row group + 8, the same columns
//
// Under KPARITY_SHIM, which runs kernels on a CPU, each function is spelled out in C++ with the same meaning.
#pragma once
#include "kparity.cuh"

namespace kparity {

// Round to TF32 (10 bits of mantissa, ties away from zero); the instruction would truncate.
__device__ __forceinline__ float round_tf32(float value) {
    unsigned bits = __float_as_uint(value);
    if ((bits & 0x7f800000u) == 0x7f800000u) return value;
    return __uint_as_float((bits + 0x1000u) & 0xffffe000u);
}

#ifndef KPARITY_SHIM

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
    return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// Start copying 16 bytes from global to shared memory, or write zeros where `valid` is false.
__device__ __forceinline__ void cp_async16(void* target, const void* source, bool valid) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;\n"
                 :: "r"(shared_address(target)), "l"(source), "r"(valid ? 16 : 0));
}

// Close the group of copies started since the last call.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;\n"); }

// Wait until at most PENDING of this thread's groups are under way; others see the data after a barrier.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;\n" :: "n"(PENDING) : "memory");
}

// Load four 8 x 16-byte matrices; lanes 8 i .. 8 i + 7 give the addresses of the rows of matrix i. Every lane gets the
// 4 bytes at 4 * member of row `group`.
__device__ __forceinline__ void ldmatrix_x4(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3, const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3) : "r"(shared_address(row)));
}

// The same for 16-bit elements, transposed: every lane gets rows 2 * member and + 1 of column `group`.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3,
                                                  const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3) : "r"(shared_address(row)));
}

// c += a b, accumulated in float32.
template <typename Element>
__device__ void mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]);

#define KPARITY_MMA(ELEMENT, SHAPE)                                                                                  \
    template <>                                                                                                      \
    __device__ __forceinline__ void mma<ELEMENT>(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {    \
        asm("mma.sync.aligned." SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"           \
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                         \
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                     \
    }
KPARITY_MMA(__half, "m16n8k16.row.col.f32.f16.f16.f32")
KPARITY_MMA(__nv_bfloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
KPARITY_MMA(float, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef KPARITY_MMA

// 2^x to two units in the last place; results below the smallest normal number are zero.
__device__ __forceinline__ float exp2_approx(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Two numbers rounded to 16 bits in one register, `low` in the lower half.
template <typename Element>
__device__ unsigned pack(float low, float high);
template <>
__device__ __forceinline__ unsigned pack<__half>(float low, float high) {
    unsigned bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}
template <>
__device__ __forceinline__ unsigned pack<__nv_bfloat16>(float low, float high) {
    unsigned bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

#else

// Each of these meets the whole warp; the last lane to come does the work of all.
struct MatrixRow {
    const void* row;
    unsigned* result[4];
};

template <bool TRANSPOSED>
inline void load_matrices(void* const* payloads, unsigned) {
    for (int lane = 0; lane < 32; ++lane) {
        auto bytes = [&](int matrix, int row) {
            return static_cast<const char*>(static_cast<MatrixRow*>(payloads[8 * matrix + row])->row);
        };
        for (int i = 0; i < 4; ++i) {
            unsigned* result = static_cast<MatrixRow*>(payloads[lane])->result[i];
            if (TRANSPOSED) {
                memcpy(result, bytes(i, lane % 4 * 2) + lane / 4 * 2, 2);
                memcpy(reinterpret_cast<char*>(result) + 2, bytes(i, lane % 4 * 2 + 1) + lane / 4 * 2, 2);
            } else {
                memcpy(result, bytes(i, lane / 4) + lane % 4 * 4, 4);
            }
        }
    }
}

inline void ldmatrix_x4(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3, const void* row) {
    MatrixRow own{row, {&r0, &r1, &r2, &r3}};
    kparity_shim::collective(0xffffffffu, &own, load_matrices<false>);
}

inline void ldmatrix_x4_trans(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3, const void* row) {
    MatrixRow own{row, {&r0, &r1, &r2, &r3}};
    kparity_shim::collective(0xffffffffu, &own, load_matrices<true>);
}

inline void cp_async16(void* target, const void* source, bool valid) {
    if (valid) memcpy(target, source, 16);
    else memset(target, 0, 16);
}
inline void cp_async_commit() {}
template <int PENDING>
inline void cp_async_wait() {}

struct Fragments {
    float* c;
    const unsigned *a, *b;
};

// What the multiplier sees of the elements in one register.
template <typename Element>
inline void decode(const unsigned& word, float* values) {
    Element elements[4 / sizeof(Element)];
    memcpy(elements, &word, 4);
    for (unsigned i = 0; i < 4 / sizeof(Element); ++i) values[i] = to_float(elements[i]);
}
template <>
inline void decode<float>(const unsigned& word, float* values) { *values = __uint_as_float(word & 0xffffe000u); }

template <typename Element>
inline void multiply_fragments(void* const* payloads, unsigned) {
    constexpr int EACH = 4 / sizeof(Element), DEPTH = 8 * EACH;
    float a[16][DEPTH], b[DEPTH][8], c[16][8] = {};
    for (int lane = 0; lane < 32; ++lane) {
        const auto& own = *static_cast<Fragments*>(payloads[lane]);
        int group = lane / 4, at = lane % 4 * EACH;
        for (int i = 0; i < 4; ++i) decode<Element>(own.a[i], &a[group + i % 2 * 8][at + i / 2 * 4 * EACH]);
        for (int i = 0; i < 2; ++i) {
            float values[EACH];
            decode<Element>(own.b[i], values);
            for (int j = 0; j < EACH; ++j) b[at + i * 4 * EACH + j][group] = values[j];
        }
    }
    for (int row = 0; row < 16; ++row)
        for (int depth = 0; depth < DEPTH; ++depth)
            for (int column = 0; column < 8; ++column) c[row][column] += a[row][depth] * b[depth][column];
    for (int lane = 0; lane < 32; ++lane) {
        float* sums = static_cast<Fragments*>(payloads[lane])->c;
        for (int i = 0; i < 4; ++i) sums[i] += c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
}

template <typename Element>
inline void mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    Fragments own{c, a, b};
    kparity_shim::collective(0xffffffffu, &own, multiply_fragments<Element>);
}

inline float exp2_approx(float x) { return exp2f(x); }

template <typename Element>
inline unsigned pack(float low, float high) {
    Element elements[2] = {from_float<Element>(low), from_float<Element>(high)};
    unsigned word;
    memcpy(&word, elements, 4);
    return word;
}

#endif

}  // namespace kparity
