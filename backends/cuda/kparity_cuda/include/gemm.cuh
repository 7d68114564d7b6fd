// One block's share of a matrix product, with something done to every sum before it is stored.
#pragma once
#include "tiles.cuh"

namespace kparity {

// c = finish(a b) for row-major a (m x k), b (k x n), c (m x n).
//
// Blocks walk the tiles of c in bands of eight tiles: those that run at the same time share the rows of a and the
// columns of b that they read, which then come from the L2 cache. Sums pass through shared memory to be stored, so that
// every thread writes 16 bytes of one row.
//
// Block: MmaBlock or SimtBlock. ALIGNED: k and n are multiples of 16 bytes. Finish: see `Plain`.
template <class Block, int STAGES, bool ALIGNED, class Element, class Finish>
__device__ __forceinline__ void gemm(const Element* a, const Element* b, Element* c, int m, int n, int k,
                                     void* shared, Finish finish) {
    constexpr int BAND = 8, CHUNK = 16 / sizeof(Element), THREADS = Block::THREADS;
    const int tall = (m + Block::ROWS - 1) / Block::ROWS, wide = (n + Block::COLUMNS - 1) / Block::COLUMNS;
    const int in_band = blockIdx.x % (BAND * wide), band = blockIdx.x / (BAND * wide) * BAND;
    const int height = min(BAND, tall - band);
    const int row = (band + in_band % height) * Block::ROWS, column = in_band / height * Block::COLUMNS;

    Element* a_tiles = static_cast<Element*>(shared);
    Element* b_tiles = a_tiles + STAGES * Block::A_SIZE;
    TileLoader<Element, Block::ROWS, Block::DEPTH, THREADS, ALIGNED> a_loader(a, row, 0, m, k);
    TileLoader<Element, Block::DEPTH, Block::COLUMNS, THREADS, ALIGNED> b_loader(b, 0, column, k, n);
    Block block;
    pipeline<STAGES>(
        (k + Block::DEPTH - 1) / Block::DEPTH,
        [&](int stage) {
            a_loader.load(a_tiles + stage * Block::A_SIZE);
            b_loader.load(b_tiles + stage * Block::B_SIZE);
            a_loader.move_right(Block::DEPTH);
            b_loader.move_down(Block::DEPTH);
        },
        [&](int stage) { block.multiply(a_tiles + stage * Block::A_SIZE, b_tiles + stage * Block::B_SIZE); });

    float* sums = static_cast<float*>(shared);
    block.stage(sums);
    __syncthreads();
    constexpr int PER_ROW = Block::COLUMNS / CHUNK;
    static_assert(THREADS % PER_ROW == 0, "a thread keeps its columns");
    const int x = static_cast<int>(threadIdx.x) % PER_ROW * CHUNK;
    if (column + x >= n) return;
    finish.begin(column + x, n);
#pragma unroll 1
    for (int y = threadIdx.x / PER_ROW; y < Block::ROWS && row + y < m; y += THREADS / PER_ROW) {
        alignas(16) float values[CHUNK];
#pragma unroll
        for (int i = 0; i < CHUNK; i += 4)
            *reinterpret_cast<float4*>(values + i) =
                *reinterpret_cast<const float4*>(sums + y * (Block::COLUMNS + 8) + x + i);
#pragma unroll
        for (int i = 0; i < CHUNK; ++i) values[i] = finish(values[i], i);
        Element* target = c + static_cast<long long>(row + y) * n + column + x;
        if (ALIGNED) {
            store_chunk(target, values);
        } else {
            for (int i = 0; i < CHUNK && column + x + i < n; ++i) target[i] = from_float<Element>(values[i]);
        }
    }
}

// Leaves the sums as they are.
struct Plain {
    // Called once by each thread with the first of the columns that it stores.
    __device__ __forceinline__ void begin(int, int) {}
    // The number to store for a sum in the thread's i-th column.
    __device__ __forceinline__ float operator()(float sum, int) const { return sum; }
};

}  // namespace kparity
