// Attention with an online softmax: a block for each head and tile of queries. See scaled_dot_product.py.
#include "tiles.cuh"
using namespace kparity;

constexpr float LOG2E = 1.4426950408889634f;
constexpr int KEYS = 64;  // of one tile

// What one block works on. Blocks are numbered from the last tile of queries, which under `causal` sees the most keys:
// the long ones start first.
struct Share {
    long long head, source;   // which head of q and out, and of k and v
    int first, end, horizon;  // first query; end of the keys that any query of the tile sees; query i sees i + horizon

    __device__ __forceinline__ Share(int rows, int heads, int kv_heads, int queries, int keys, bool causal) {
        const int tiles = (queries + rows - 1) / rows, all_heads = gridDim.x / tiles;
        const int tile = blockIdx.x / all_heads, number = blockIdx.x - tile * all_heads, batch = number / heads;
        head = number;
        source = batch * kv_heads + (number - batch * heads) * kv_heads / heads;
        first = (tiles - 1 - tile) * rows;
        horizon = causal ? keys - queries : keys;
        end = min(keys, first + rows + horizon);
    }
    // Whether some query of the tile does not see some key of the tile from `key` on.
    __device__ __forceinline__ bool hides(int key) const {
        return key + KEYS > end || key + KEYS - 1 > first + horizon;
    }
    // How many keys query `first + row` sees.
    __device__ __forceinline__ int visible(int row) const { return min(end, first + row + horizon + 1); }
};

// Tensor cores: four warps with 16 * TALL queries each. Scores stay in the registers in which they were computed: two
// neighbouring 8-key pieces of them are, rounded to T, one left operand of the product with v.
template <int HEAD_DIM, int TALL, bool ALIGNED>
__global__ void __launch_bounds__(128, 2)
attention_mma(const T* q, const T* k, const T* v, T* out, long long heads, long long kv_heads, long long queries,
              long long keys, long long head_dim, float scale, long long causal) {
    constexpr int ROWS = 64 * TALL, STRIDE = HEAD_DIM + 8, WIDE = HEAD_DIM / 8;
    KPARITY_SHARED(T, q_tile);
    T *k_tile = q_tile + ROWS * STRIDE, *v_tile = k_tile + KEYS * STRIDE;
    const Share share(ROWS, heads, kv_heads, queries, keys, causal);
    const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16 * TALL;
    const long long q_start = share.head * queries * head_dim, k_start = share.source * keys * head_dim;

    TileLoader<T, ROWS, HEAD_DIM, 128, ALIGNED>(q + q_start, share.first, 0, queries, head_dim).load(q_tile);
    TileLoader<T, KEYS, HEAD_DIM, 128, ALIGNED> k_loader(k + k_start, 0, 0, keys, head_dim);
    TileLoader<T, KEYS, HEAD_DIM, 128, ALIGNED> v_loader(v + k_start, 0, 0, keys, head_dim);
    k_loader.load(k_tile);
    cp_async_commit();

    const T* q_row = q_tile + (warp_row + lane % 16) * STRIDE + lane / 16 * 8;
    const T* k_row = k_tile + (lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;
    const T* v_row = v_tile + lane % 16 * STRIDE + lane / 16 * 8;
    const float to_log2 = scale * LOG2E;
    float sum[TALL][WIDE][4] = {}, highest[TALL][2], total[TALL][2] = {};
#pragma unroll
    for (int i = 0; i < TALL; ++i) highest[i][0] = highest[i][1] = -INFINITY;

#pragma unroll 1
    for (int key = 0; key < share.end; key += KEYS) {
        cp_async_wait<0>();
        __syncthreads();  // k's tile is complete, and every warp has left v's
        v_loader.load(v_tile);
        v_loader.move_down(KEYS);
        cp_async_commit();

        float score[TALL][KEYS / 8][4] = {};
#pragma unroll
        for (int step = 0; step < HEAD_DIM / 16; ++step) {
            unsigned left[TALL][4];
#pragma unroll
            for (int i = 0; i < TALL; ++i)
                ldmatrix_x4(left[i][0], left[i][1], left[i][2], left[i][3], q_row + i * 16 * STRIDE + step * 16);
#pragma unroll
            for (int j = 0; j < KEYS / 8; j += 2) {
                unsigned right[2][2];
                ldmatrix_x4(right[0][0], right[0][1], right[1][0], right[1][1], k_row + j * 8 * STRIDE + step * 16);
#pragma unroll
                for (int i = 0; i < TALL; ++i) {
                    mma<T>(score[i][j], left[i], right[0]);
                    mma<T>(score[i][j + 1], left[i], right[1]);
                }
            }
        }
        if (share.hides(key)) {
#pragma unroll
            for (int i = 0; i < TALL; ++i)
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    int visible = share.visible(warp_row + i * 16 + half * 8 + lane / 4) - key - lane % 4 * 2;
#pragma unroll
                    for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
                        for (int at = 0; at < 2; ++at)
                            if (j * 8 + at >= visible) score[i][j][half * 2 + at] = -INFINITY;
                }
        }

        cp_async_wait<0>();
        __syncthreads();  // v's tile is complete, and every warp has left k's
        if (key + KEYS < share.end) {
            k_loader.move_down(KEYS);
            k_loader.load(k_tile);
        }
        cp_async_commit();

#pragma unroll
        for (int i = 0; i < TALL; ++i)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float& high = highest[i][half];
                float seen = high;
#pragma unroll
                for (int j = 0; j < KEYS / 8; ++j)
                    seen = fmaxf(seen, fmaxf(score[i][j][half * 2], score[i][j][half * 2 + 1]));
                seen = warp_max<4>(seen);
                const float shrink = exp2_approx((high - seen) * to_log2), shift = seen * to_log2;
                high = seen;
                total[i][half] *= shrink;
#pragma unroll
                for (int j = 0; j < WIDE; ++j) {
                    sum[i][j][half * 2] *= shrink;
                    sum[i][j][half * 2 + 1] *= shrink;
                }
#pragma unroll
                for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
                    for (int at = half * 2; at < half * 2 + 2; ++at) {
                        score[i][j][at] = exp2_approx(fmaf(score[i][j][at], to_log2, -shift));
                        total[i][half] += score[i][j][at];
                    }
            }
#pragma unroll
        for (int step = 0; step < KEYS / 16; ++step) {
            unsigned left[TALL][4];
#pragma unroll
            for (int i = 0; i < TALL; ++i)
#pragma unroll
                for (int at = 0; at < 4; ++at) {
                    const float* pair = &score[i][step * 2 + at / 2][at % 2 * 2];
                    left[i][at] = pack<T>(pair[0], pair[1]);
                }
#pragma unroll
            for (int j = 0; j < WIDE; j += 2) {
                unsigned right[2][2];
                ldmatrix_x4_trans(right[0][0], right[0][1], right[1][0], right[1][1],
                                  v_row + step * 16 * STRIDE + j * 8);
#pragma unroll
                for (int i = 0; i < TALL; ++i) {
                    mma<T>(sum[i][j], left[i], right[0]);
                    mma<T>(sum[i][j + 1], left[i], right[1]);
                }
            }
        }
    }

#pragma unroll
    for (int i = 0; i < TALL; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float factor = 1.0f / warp_sum<4>(total[i][half]);
            const int row = share.first + warp_row + i * 16 + half * 8 + lane / 4;
            if (row >= queries) continue;
            T* target = out + q_start + row * head_dim;
#pragma unroll
            for (int j = 0; j < WIDE; ++j) {
                const int column = j * 8 + lane % 4 * 2;
                const float x = sum[i][j][half * 2] * factor, y = sum[i][j][half * 2 + 1] * factor;
                if (ALIGNED) {
                    if (column < head_dim) *reinterpret_cast<unsigned*>(target + column) = pack<T>(x, y);
                } else {
                    if (column < head_dim) target[column] = from_float<T>(x);
                    if (column + 1 < head_dim) target[column + 1] = from_float<T>(y);
                }
            }
        }
}

// float32 units: 256 threads as 16 x 16. A thread has TALL queries, 16 apart, and of each four scores (keys 16 apart)
// and HEAD_DIM / 16 outputs (fours, 64 apart). The 16 threads of a query are half a warp and pass its weights on
// through shared memory without a barrier for the block.
template <int HEAD_DIM, int TALL, bool ALIGNED>
__global__ void __launch_bounds__(256, 1)
attention_simt(const T* q, const T* k, const T* v, T* out, long long heads, long long kv_heads, long long queries,
               long long keys, long long head_dim, float scale, long long causal) {
    constexpr int ROWS = 16 * TALL, STRIDE = HEAD_DIM + 4, WEIGHT_STRIDE = KEYS + 16, WIDE = HEAD_DIM / 64;
    KPARITY_SHARED(T, q_tile);
    T *k_tile = q_tile + ROWS * STRIDE, *v_tile = k_tile + KEYS * STRIDE, *weights = v_tile + KEYS * STRIDE;
    const Share share(ROWS, heads, kv_heads, queries, keys, causal);
    const int x = threadIdx.x % 16, y = threadIdx.x / 16;
    const long long q_start = share.head * queries * head_dim, k_start = share.source * keys * head_dim;

    TileLoader<T, ROWS, HEAD_DIM, 256, ALIGNED>(q + q_start, share.first, 0, queries, head_dim).load(q_tile);
    TileLoader<T, KEYS, HEAD_DIM, 256, ALIGNED> k_loader(k + k_start, 0, 0, keys, head_dim);
    TileLoader<T, KEYS, HEAD_DIM, 256, ALIGNED> v_loader(v + k_start, 0, 0, keys, head_dim);
    k_loader.load(k_tile);
    cp_async_commit();

    const float to_log2 = scale * LOG2E;
    float sum[TALL][WIDE][4] = {}, highest[TALL], total[TALL] = {};
#pragma unroll
    for (int i = 0; i < TALL; ++i) highest[i] = -INFINITY;

#pragma unroll 1
    for (int key = 0; key < share.end; key += KEYS) {
        cp_async_wait<0>();
        __syncthreads();  // k's tile is complete, and every warp has left v's
        v_loader.load(v_tile);
        v_loader.move_down(KEYS);
        cp_async_commit();

        float score[TALL][4] = {};
#pragma unroll 2
        for (int depth = 0; depth < HEAD_DIM; depth += 4) {
            float4 right[4];
#pragma unroll
            for (int j = 0; j < 4; ++j)
                right[j] = *reinterpret_cast<const float4*>(k_tile + (x + j * 16) * STRIDE + depth);
#pragma unroll
            for (int i = 0; i < TALL; ++i) {
                const float4 left = *reinterpret_cast<const float4*>(q_tile + (y + i * 16) * STRIDE + depth);
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    float& s = score[i][j];
                    s = fmaf(left.x, right[j].x, s);
                    s = fmaf(left.y, right[j].y, s);
                    s = fmaf(left.z, right[j].z, s);
                    s = fmaf(left.w, right[j].w, s);
                }
            }
        }
        if (share.hides(key)) {
#pragma unroll
            for (int i = 0; i < TALL; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    if (key + x + j * 16 >= share.visible(y + i * 16)) score[i][j] = -INFINITY;
        }

        cp_async_wait<0>();
        __syncthreads();  // v's tile is complete, and every warp has left k's
        if (key + KEYS < share.end) {
            k_loader.move_down(KEYS);
            k_loader.load(k_tile);
        }
        cp_async_commit();

#pragma unroll
        for (int i = 0; i < TALL; ++i) {
            float seen = fmaxf(fmaxf(score[i][0], score[i][1]), fmaxf(score[i][2], score[i][3]));
            seen = fmaxf(highest[i], warp_max<16>(seen));
            const float shrink = exp2f((highest[i] - seen) * to_log2), shift = seen * to_log2;
            highest[i] = seen;
            total[i] *= shrink;
#pragma unroll
            for (int j = 0; j < WIDE * 4; ++j) sum[i][j / 4][j % 4] *= shrink;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const float weight = exp2f(fmaf(score[i][j], to_log2, -shift));
                total[i] += weight;
                weights[(y + i * 16) * WEIGHT_STRIDE + x + j * 16] = weight;
            }
        }
        __syncwarp();
#pragma unroll 2
        for (int depth = 0; depth < KEYS; depth += 4) {
            alignas(16) float left[TALL][4];
#pragma unroll
            for (int i = 0; i < TALL; ++i)
                *reinterpret_cast<float4*>(left[i]) =
                    *reinterpret_cast<const float4*>(weights + (y + i * 16) * WEIGHT_STRIDE + depth);
#pragma unroll
            for (int at = 0; at < 4; ++at)
#pragma unroll
                for (int j = 0; j < WIDE; ++j) {
                    const float4 right =
                        *reinterpret_cast<const float4*>(v_tile + (depth + at) * STRIDE + j * 64 + x * 4);
#pragma unroll
                    for (int i = 0; i < TALL; ++i) {
                        float(&s)[4] = sum[i][j];
                        s[0] = fmaf(left[i][at], right.x, s[0]);
                        s[1] = fmaf(left[i][at], right.y, s[1]);
                        s[2] = fmaf(left[i][at], right.z, s[2]);
                        s[3] = fmaf(left[i][at], right.w, s[3]);
                    }
                }
        }
    }

#pragma unroll
    for (int i = 0; i < TALL; ++i) {
        const float factor = 1.0f / warp_sum<16>(total[i]);
        const int row = share.first + y + i * 16;
        if (row >= queries) continue;
#pragma unroll
        for (int j = 0; j < WIDE; ++j) {
            const int column = j * 64 + x * 4;
            T* target = out + q_start + row * head_dim + column;
#pragma unroll
            for (int at = 0; at < 4; ++at) sum[i][j][at] *= factor;
            if (ALIGNED) {
                if (column < head_dim) store_chunk(target, sum[i][j]);
            } else {
                for (int at = 0; at < 4 && column + at < head_dim; ++at) target[at] = sum[i][j][at];
            }
        }
    }
}
