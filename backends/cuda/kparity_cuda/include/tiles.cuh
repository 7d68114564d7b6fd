// Block-wide building blocks of the matrix products: tiles in shared memory, the pipeline that fills them, and the two
// ways of multiplying them (tensor cores and float32 units).
//
// Every row of a tile is padded by 16 bytes. Reading the same columns of eight consecutive rows then touches all 32
// banks once, which is what `ldmatrix` and 16-byte loads do.
#pragma once
#include "mma.cuh"

namespace kparity {

// One thread's part in copying ROWS x COLUMNS windows of a row-major matrix to shared memory, with zeros where a window
// leaves the matrix. It keeps to one column of 16-byte chunks and moves on by pointer increments. ALIGNED: the rows of
// the matrix start at multiples of 16 bytes, so that whole chunks are copied asynchronously.
template <typename Element, int ROWS, int COLUMNS, int THREADS, bool ALIGNED>
struct TileLoader {
    static constexpr int CHUNK = 16 / sizeof(Element), PER_ROW = COLUMNS / CHUNK, STRIDE = COLUMNS + CHUNK;
    static constexpr int ROW_STEP = THREADS / PER_ROW;
    static_assert(ROW_STEP > 0 && COLUMNS % CHUNK == 0, "at least one row of whole chunks at a time");

    const Element* source;
    long long pitch;
    int y, x, below, right;  // position within the window; rows and columns of the matrix from there on

    // The window starts at (row, column) of a `rows` x `columns` matrix.
    __device__ __forceinline__ TileLoader(const Element* matrix, int row, int column, int rows, int columns)
        : pitch(columns), y(threadIdx.x / PER_ROW), x(threadIdx.x % PER_ROW * CHUNK) {
        source = matrix + (row + y) * pitch + column + x;
        below = rows - row - y;
        right = columns - column - x;
    }

    __device__ __forceinline__ void load(Element* tile) const {
        if (THREADS % PER_ROW != 0 && y >= ROW_STEP) return;
#pragma unroll
        for (int i = 0; i < ROWS; i += ROW_STEP) {
            if (ROWS % ROW_STEP != 0 && i + y >= ROWS) break;
            Element* target = tile + (y + i) * STRIDE + x;
            if (ALIGNED) {
                cp_async16(target, source + i * pitch, i < below && right > 0);
            } else {
#pragma unroll
                for (int j = 0; j < CHUNK; ++j)
                    target[j] = i < below && j < right ? source[i * pitch + j] : from_float<Element>(0.0f);
            }
        }
    }

    __device__ __forceinline__ void move_down(int rows) {
        source += rows * pitch;
        below -= rows;
    }
    __device__ __forceinline__ void move_right(int columns) {
        source += columns;
        right -= columns;
    }
};

// Run `use(stage)` for each of `steps` steps while the tiles of the next STAGES - 1 steps are on their way.
// `load(stage)` starts filling a stage, in order of the steps. One barrier a step: it publishes this step's tiles and
// frees those of the last one.
template <int STAGES, class Load, class Use>
__device__ __forceinline__ void pipeline(int steps, Load load, Use use) {
#pragma unroll
    for (int step = 0; step < STAGES - 1; ++step) {
        if (step < steps) load(step);
        cp_async_commit();
    }
    int filling = STAGES - 1, using_stage = 0;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) load(filling);
        cp_async_commit();
        use(using_stage);
        filling = filling + 1 == STAGES ? 0 : filling + 1;
        using_stage = using_stage + 1 == STAGES ? 0 : using_stage + 1;
    }
    cp_async_wait<0>();
    __syncthreads();
}

// Sums of a ROWS x COLUMNS tile in the registers of a block, accumulated on tensor cores; each warp holds WARP_ROWS x
// WARP_COLUMNS of them. B lies as stored, DEPTH rows of COLUMNS, or transposed: COLUMNS rows of DEPTH.
template <typename Element_, int ROWS_, int COLUMNS_, int DEPTH_, int WARP_ROWS, int WARP_COLUMNS,
          bool TRANSPOSED = false>
struct MmaBlock {
    using Element = Element_;
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = DEPTH_, CHUNK = 16 / sizeof(Element);
    static constexpr int THREADS = ROWS / WARP_ROWS * (COLUMNS / WARP_COLUMNS) * 32;
    static constexpr int A_STRIDE = DEPTH + CHUNK, A_SIZE = ROWS * A_STRIDE;
    static constexpr int B_ROWS = TRANSPOSED ? COLUMNS : DEPTH, B_COLUMNS = TRANSPOSED ? DEPTH : COLUMNS;
    static constexpr int B_STRIDE = B_COLUMNS + CHUNK, B_SIZE = B_ROWS * B_STRIDE;
    static constexpr int TALL = WARP_ROWS / 16, WIDE = WARP_COLUMNS / 8, STEP = 2 * CHUNK, STEPS = DEPTH / STEP;
    static_assert(WIDE % 2 == 0, "two columns of fragments are loaded at a time");

    float sum[TALL][WIDE][4];

    __device__ __forceinline__ MmaBlock() {
#pragma unroll
        for (int i = 0; i < TALL * WIDE * 4; ++i) sum[i / (WIDE * 4)][i / 4 % WIDE][i % 4] = 0.0f;
    }
    static __device__ __forceinline__ int warp_row() {
        return threadIdx.x / 32 / (COLUMNS / WARP_COLUMNS) * WARP_ROWS;
    }
    static __device__ __forceinline__ int warp_column() {
        return threadIdx.x / 32 % (COLUMNS / WARP_COLUMNS) * WARP_COLUMNS;
    }

    // Add the product of two tiles. Fragments of the next step are loaded while this one's are multiplied.
    __device__ __forceinline__ void multiply(const Element* a, const Element* b) {
        int lane = threadIdx.x % 32;
        a += (warp_row() + lane % 16) * A_STRIDE + lane / 16 * CHUNK;
        if (TRANSPOSED)
            b += (warp_column() + lane / 16 * 8 + lane % 8) * B_STRIDE + lane / 8 % 2 * CHUNK;
        else
            b += lane % 16 * B_STRIDE + warp_column() + lane / 16 * 8;
        unsigned left[2][TALL][4], right[2][WIDE][2];
        auto fetch = [&](int step, int slot) {
#pragma unroll
            for (int i = 0; i < TALL; ++i)
                ldmatrix_x4(left[slot][i][0], left[slot][i][1], left[slot][i][2], left[slot][i][3],
                            a + i * 16 * A_STRIDE + step * STEP);
#pragma unroll
            for (int j = 0; j < WIDE; j += 2) {
                if (TRANSPOSED)
                    ldmatrix_x4(right[slot][j][0], right[slot][j][1], right[slot][j + 1][0], right[slot][j + 1][1],
                                b + j * 8 * B_STRIDE + step * STEP);
                else
                    ldmatrix_x4_trans(right[slot][j][0], right[slot][j][1], right[slot][j + 1][0],
                                      right[slot][j + 1][1], b + step * STEP * B_STRIDE + j * 8);
            }
        };
        fetch(0, 0);
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            if (step + 1 < STEPS) fetch(step + 1, (step + 1) % 2);
#pragma unroll
            for (int i = 0; i < TALL; ++i)
#pragma unroll
                for (int j = 0; j < WIDE; ++j) mma<Element>(sum[i][j], left[step % 2][i], right[step % 2][j]);
        }
    }

    // Write the sums to a tile in shared memory with rows of COLUMNS + 8.
    __device__ __forceinline__ void stage(float* tile) const {
        int lane = threadIdx.x % 32;
        tile += (warp_row() + lane / 4) * (COLUMNS + 8) + warp_column() + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < TALL; ++i)
#pragma unroll
            for (int j = 0; j < WIDE; ++j)
#pragma unroll
                for (int half = 0; half < 2; ++half)
                    *reinterpret_cast<float2*>(tile + (i * 16 + half * 8) * (COLUMNS + 8) + j * 8) =
                        make_float2(sum[i][j][half * 2], sum[i][j][half * 2 + 1]);
    }
};

// The same on the float32 units: 64 x 32 sums a warp, 8 x 8 a thread. Sixteen 16-byte loads from shared memory feed 256
// multiply-adds. A thread's rows are 8 apart and its columns come in fours 16 apart, so that loads meet no bank twice.
template <int ROWS_, int COLUMNS_, int DEPTH_>
struct SimtBlock {
    using Element = float;
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, DEPTH = DEPTH_, THREADS = ROWS * COLUMNS / 64;
    static constexpr int A_STRIDE = DEPTH + 4, A_SIZE = ROWS * A_STRIDE;
    static constexpr int B_ROWS = DEPTH, B_COLUMNS = COLUMNS, B_STRIDE = COLUMNS + 4, B_SIZE = DEPTH * B_STRIDE;

    float sum[8][8];

    __device__ __forceinline__ SimtBlock() {
#pragma unroll
        for (int i = 0; i < 64; ++i) sum[i / 8][i % 8] = 0.0f;
    }
    static __device__ __forceinline__ int row() {
        return threadIdx.x / 32 / (COLUMNS / 32) * 64 + threadIdx.x % 32 / 4;
    }
    static __device__ __forceinline__ int column() {
        return threadIdx.x / 32 % (COLUMNS / 32) * 32 + threadIdx.x % 4 * 4;
    }

    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        a += row() * A_STRIDE;
        b += column();
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += 4) {
            alignas(16) float left[8][4];
#pragma unroll
            for (int i = 0; i < 8; ++i)
                *reinterpret_cast<float4*>(left[i]) = *reinterpret_cast<const float4*>(a + i * 8 * A_STRIDE + depth);
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                alignas(16) float right[8];
#pragma unroll
                for (int j = 0; j < 2; ++j)
                    *reinterpret_cast<float4*>(right + j * 4) =
                        *reinterpret_cast<const float4*>(b + (depth + k) * B_STRIDE + j * 16);
#pragma unroll
                for (int i = 0; i < 8; ++i)
#pragma unroll
                    for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(left[i][k], right[j], sum[i][j]);
            }
        }
    }

    __device__ __forceinline__ void stage(float* tile) const {
        tile += row() * (COLUMNS + 8) + column();
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
            for (int j = 0; j < 8; j += 4)
                *reinterpret_cast<float4*>(tile + i * 8 * (COLUMNS + 8) + j * 4) =
                    make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
    }
};

// Round 16 bytes' worth of numbers to Element and write them with one store.
template <typename Element>
__device__ __forceinline__ void store_chunk(Element* target, const float* values) {
    constexpr int CHUNK = 16 / sizeof(Element);
    alignas(16) Element rounded[CHUNK];
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) rounded[i] = from_float<Element>(values[i]);
    *reinterpret_cast<uint4*>(target) = *reinterpret_cast<const uint4*>(rounded);
}

}  // namespace kparity
