// Gradients of attention: dq by tiles of queries, dk and dv by tiles of keys. See scaled_dot_product_backward.py.
#include "tiles.cuh"
using namespace kparity;

constexpr float LOG2E = 1.4426950408889634f;
constexpr int THREADS = 256, PAD = 16 / sizeof(T);

// The product of two tiles in shared memory, its sums in the registers of 256 threads. B lies as DEPTH rows of COLUMNS
// or, TRANSPOSED, as COLUMNS rows of DEPTH. A thread has sums of SLOTS rows; PARTS threads share a row.
template <typename Element, int ROWS, int COLUMNS, int DEPTH, bool TRANSPOSED>
struct Product : MmaBlock<Element, ROWS, COLUMNS, DEPTH, 16, COLUMNS / 2, TRANSPOSED> {
    using Block = MmaBlock<Element, ROWS, COLUMNS, DEPTH, 16, COLUMNS / 2, TRANSPOSED>;
    static constexpr int SLOTS = 2, PARTS = 8;
    static_assert(Block::THREADS == THREADS, "two warps side by side, 16 rows each");

    static __device__ __forceinline__ int part() { return threadIdx.x / 32 % 2 * 4 + threadIdx.x % 4; }
    __device__ __forceinline__ float& at(int i) { return this->sum[0][i / 4][i % 4]; }

    // Call f(row, column, slot, i) for each of the thread's sums, at(i).
    template <class F>
    __device__ __forceinline__ void each(F f) const {
        const int row = Block::warp_row() + threadIdx.x % 32 / 4, column = Block::warp_column() + threadIdx.x % 4 * 2;
#pragma unroll
        for (int i = 0; i < Block::WIDE * 4; ++i) f(row + i % 4 / 2 * 8, column + i / 4 * 8 + i % 2, i % 4 / 2, i);
    }
};

// The same for float32: 16 x 16 threads, each with every 16th row. Its columns are every 16th where B is TRANSPOSED,
// else four neighbours in every 64, so that loads of 16 bytes meet no bank twice.
template <int ROWS, int COLUMNS, int DEPTH, bool TRANSPOSED>
struct Product<float, ROWS, COLUMNS, DEPTH, TRANSPOSED> {
    static constexpr int SLOTS = ROWS / 16, PARTS = 16, WIDE = COLUMNS / 16;
    static constexpr int A_STRIDE = DEPTH + 4, B_STRIDE = (TRANSPOSED ? DEPTH : COLUMNS) + 4;
    float sum[SLOTS][WIDE] = {};

    static __device__ __forceinline__ int part() { return threadIdx.x % 16; }
    __device__ __forceinline__ float& at(int i) { return sum[i / WIDE][i % WIDE]; }

    template <class F>
    __device__ __forceinline__ void each(F f) const {
        const int x = threadIdx.x % 16, y = threadIdx.x / 16;
#pragma unroll
        for (int i = 0; i < SLOTS * WIDE; ++i) {
            const int j = i % WIDE;
            f(y + i / WIDE * 16, TRANSPOSED ? x + j * 16 : j / 4 * 64 + x * 4 + j % 4, i / WIDE, i);
        }
    }

    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        a += threadIdx.x / 16 * A_STRIDE;
        b += TRANSPOSED ? threadIdx.x % 16 * B_STRIDE : threadIdx.x % 16 * 4;
#pragma unroll 2
        for (int depth = 0; depth < DEPTH; depth += 4) {
            alignas(16) float left[SLOTS][4], right[WIDE][4];
#pragma unroll
            for (int i = 0; i < SLOTS; ++i) copy4(left[i], a + i * 16 * A_STRIDE + depth);
            if (TRANSPOSED) {
#pragma unroll
                for (int j = 0; j < WIDE; ++j) copy4(right[j], b + j * 16 * B_STRIDE + depth);
            }
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                if (!TRANSPOSED) {
#pragma unroll
                    for (int j = 0; j < WIDE / 4; ++j) copy4(right[j], b + (depth + k) * B_STRIDE + j * 64);
                }
#pragma unroll
                for (int i = 0; i < SLOTS; ++i)
#pragma unroll
                    for (int j = 0; j < WIDE; ++j)
                        sum[i][j] = fmaf(left[i][k], TRANSPOSED ? right[j][k] : right[j / 4][j % 4], sum[i][j]);
            }
        }
    }
    static __device__ __forceinline__ void copy4(float* to, const float* from) {
        *reinterpret_cast<float4*>(to) = *reinterpret_cast<const float4*>(from);
    }
};

// Copy the tile of rows from `first` on to shared memory, zeros beyond the end; wait for it with `arrive`.
template <int WIDTH, int TILE, bool ALIGNED>
__device__ __forceinline__ void fetch(T* tile, const T* matrix, int first, int rows, int head_dim) {
    TileLoader<T, TILE, WIDTH, THREADS, ALIGNED>(matrix, first, 0, rows, head_dim).load(tile);
}

__device__ __forceinline__ void arrive() {
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
}

// Write sums to the rows of a matrix from `first` on.
template <class Sums>
__device__ __forceinline__ void write(Sums& sums, T* matrix, int first, int rows, int head_dim, float scale) {
    sums.each([&](int row, int column, int, int i) {
        if (first + row < rows && column < head_dim)
            matrix[static_cast<long long>(first + row) * head_dim + column] = from_float<T>(sums.at(i) * scale);
    });
}

// dq of a tile of queries of one head, and for each of them `lse`, log2 of the sum of exponentials, and `delta`,
// sum_keys p dp. Blocks are numbered from the last tile, which under `causal` sees the most keys.
template <int WIDTH, int TILE, bool ALIGNED>
__global__ void __launch_bounds__(THREADS, sizeof(T) * WIDTH <= 256 ? 2 : 1)
along_keys(const T* q, const T* k, const T* v, const T* dout, T* dq, float* lse, float* delta, long long group,
           long long queries, long long keys, long long head_dim, float scale, long long causal) {
    using Scores = Product<T, TILE, TILE, WIDTH, true>;
    constexpr int SIZE = TILE * (WIDTH + PAD), SLOTS = Scores::SLOTS, PARTS = Scores::PARTS;
    KPARITY_SHARED(T, q_tile);
    T *dout_tile = q_tile + SIZE, *k_tile = dout_tile + SIZE, *v_tile = k_tile + SIZE, *ds_tile = v_tile + SIZE;
    __shared__ float row_lse[TILE], row_delta[TILE];
    const int tiles = (queries + TILE - 1) / TILE, all_heads = gridDim.x / tiles;
    const int first = (tiles - 1 - blockIdx.x / all_heads) * TILE;
    const long long head = blockIdx.x % all_heads, start = head * queries * head_dim;
    const long long source = head / group * keys * head_dim;
    const int horizon = causal ? keys - queries : keys;  // query i sees the keys up to i + horizon
    const int end = min(static_cast<int>(keys), first + TILE + horizon);
    const float to_log2 = scale * LOG2E;

    fetch<WIDTH, TILE, ALIGNED>(q_tile, q + start, first, queries, head_dim);
    fetch<WIDTH, TILE, ALIGNED>(dout_tile, dout + start, first, queries, head_dim);
    auto fetch_keys = [&](int key) {
        __syncthreads();  // every warp has left the last tiles
        fetch<WIDTH, TILE, ALIGNED>(k_tile, k + source, key, keys, head_dim);
        fetch<WIDTH, TILE, ALIGNED>(v_tile, v + source, key, keys, head_dim);
        arrive();
    };

    float highest[SLOTS], total[SLOTS] = {}, weighted[SLOTS] = {};
#pragma unroll
    for (int slot = 0; slot < SLOTS; ++slot) highest[slot] = -INFINITY;
#pragma unroll 1
    for (int key = 0; key < end; key += TILE) {
        fetch_keys(key);
        Scores scores, dp;
        scores.multiply(q_tile, k_tile);
        dp.multiply(dout_tile, v_tile);
        float seen[SLOTS];
#pragma unroll
        for (int slot = 0; slot < SLOTS; ++slot) seen[slot] = highest[slot];
        scores.each([&](int row, int column, int slot, int i) {
            const bool visible = key + column < keys && key + column <= first + row + horizon;
            scores.at(i) = visible ? scores.at(i) * to_log2 : -INFINITY;
            seen[slot] = fmaxf(seen[slot], scores.at(i));
        });
#pragma unroll
        for (int slot = 0; slot < SLOTS; ++slot) {
            const float shrink = highest[slot] == -INFINITY ? 0.0f : exp2f(highest[slot] - seen[slot]);
            total[slot] *= shrink;
            weighted[slot] *= shrink;
            highest[slot] = seen[slot];
        }
        scores.each([&](int, int, int slot, int i) {
            const float weight = scores.at(i) == -INFINITY ? 0.0f : exp2f(scores.at(i) - seen[slot]);
            total[slot] += weight;
            weighted[slot] = fmaf(weight, dp.at(i), weighted[slot]);
        });
    }

    // Merge what the threads of each row found, in the place of the tiles of k and v.
    float* parts = reinterpret_cast<float*>(k_tile);
    __syncthreads();
    Scores().each([&](int row, int, int slot, int) {
        float* own = parts + (row * PARTS + Scores::part()) * 3;
        own[0] = highest[slot];
        own[1] = total[slot];
        own[2] = weighted[slot];
    });
    __syncthreads();
    if (threadIdx.x < TILE) {
        const float* row = parts + threadIdx.x * PARTS * 3;
        float top = row[0], sum = 0.0f, product = 0.0f;
        for (int i = 1; i < PARTS; ++i) top = fmaxf(top, row[i * 3]);
        for (int i = 0; i < PARTS; ++i) {
            const float shrink = row[i * 3] == -INFINITY ? 0.0f : exp2f(row[i * 3] - top);
            sum += row[i * 3 + 1] * shrink;
            product += row[i * 3 + 2] * shrink;
        }
        row_lse[threadIdx.x] = top + log2f(sum);
        row_delta[threadIdx.x] = product / sum;
        if (first + threadIdx.x < queries) {
            lse[head * queries + first + threadIdx.x] = row_lse[threadIdx.x];
            delta[head * queries + first + threadIdx.x] = row_delta[threadIdx.x];
        }
    }

    Product<T, TILE, WIDTH, TILE, false> sums;
#pragma unroll 1
    for (int key = 0; key < end; key += TILE) {
        fetch_keys(key);
        Scores scores, dp;
        scores.multiply(q_tile, k_tile);
        dp.multiply(dout_tile, v_tile);
        scores.each([&](int row, int column, int, int i) {
            const bool visible = key + column < keys && key + column <= first + row + horizon;
            const float p = visible ? exp2f(fmaf(scores.at(i), to_log2, -row_lse[row])) : 0.0f;
            ds_tile[row * (TILE + PAD) + column] = from_float<T>(p * (dp.at(i) - row_delta[row]));
        });
        __syncthreads();
        sums.multiply(ds_tile, k_tile);
    }
    write(sums, dq + start, first, queries, head_dim, scale);
}

// dk and dv of a tile of keys. Scores and what follows from them are transposed: a row for each key.
template <int WIDTH, int TILE, bool ALIGNED>
__global__ void __launch_bounds__(THREADS, sizeof(T) * WIDTH <= 256 ? 2 : 1)
along_queries(const T* q, const T* k, const T* v, const T* dout, const float* lse, const float* delta, T* dk, T* dv,
              long long group, long long queries, long long keys, long long head_dim, float scale, long long causal) {
    using Scores = Product<T, TILE, TILE, WIDTH, true>;
    constexpr int SIZE = TILE * (WIDTH + PAD);
    KPARITY_SHARED(T, q_tile);
    T *dout_tile = q_tile + SIZE, *k_tile = dout_tile + SIZE, *v_tile = k_tile + SIZE;
    T *ds_tile = v_tile + SIZE, *p_tile = ds_tile + TILE * (TILE + PAD);
    __shared__ float row_lse[TILE], row_delta[TILE];
    const int tiles = (keys + TILE - 1) / TILE, all_heads = gridDim.x / tiles;
    const int first = blockIdx.x / all_heads * TILE;
    const long long source = blockIdx.x % all_heads, start = source * keys * head_dim;
    const int horizon = causal ? keys - queries : keys;
    const int begin = max(first - horizon, 0) / TILE * TILE;  // no query before it sees a key of this tile
    const float to_log2 = scale * LOG2E;

    fetch<WIDTH, TILE, ALIGNED>(k_tile, k + start, first, keys, head_dim);
    fetch<WIDTH, TILE, ALIGNED>(v_tile, v + start, first, keys, head_dim);
    Product<T, TILE, WIDTH, TILE, false> k_sums, v_sums;
#pragma unroll 1
    for (long long head = source * group; head < (source + 1) * group; ++head) {
#pragma unroll 1
        for (int query = begin; query < queries; query += TILE) {
            __syncthreads();  // every warp has left the last tiles
            fetch<WIDTH, TILE, ALIGNED>(q_tile, q + head * queries * head_dim, query, queries, head_dim);
            fetch<WIDTH, TILE, ALIGNED>(dout_tile, dout + head * queries * head_dim, query, queries, head_dim);
            if (threadIdx.x < TILE) {
                const bool inside = query + threadIdx.x < queries;
                row_lse[threadIdx.x] = inside ? lse[head * queries + query + threadIdx.x] : INFINITY;
                row_delta[threadIdx.x] = inside ? delta[head * queries + query + threadIdx.x] : 0.0f;
            }
            arrive();
            Scores scores, dp;
            scores.multiply(k_tile, q_tile);
            dp.multiply(v_tile, dout_tile);
            scores.each([&](int row, int column, int, int i) {
                const bool visible = first + row <= query + column + horizon;
                const float p = visible ? exp2f(fmaf(scores.at(i), to_log2, -row_lse[column])) : 0.0f;
                p_tile[row * (TILE + PAD) + column] = from_float<T>(p);
                ds_tile[row * (TILE + PAD) + column] = from_float<T>(p * (dp.at(i) - row_delta[column]));
            });
            __syncthreads();
            v_sums.multiply(p_tile, dout_tile);
            k_sums.multiply(ds_tile, q_tile);
        }
    }
    write(k_sums, dk + start, first, keys, head_dim, scale);
    write(v_sums, dv + start, first, keys, head_dim, 1.0f);
}
