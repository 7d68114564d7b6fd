// Convolution as an implicit matrix product over channels-last copies. See conv2d.py.
#include "tiles.cuh"
using namespace kparity;

constexpr int CHUNK = 16 / sizeof(T);  // channels that are copied and multiplied together

__device__ __forceinline__ T operand(T value) {
    if constexpr (sizeof(T) == 4) return round_tf32(value);
    return value;
}

// to[b][row][column][group][channel] = from[b][group][channel][row - padding][column - padding], zeros outside and up
// to `chunks` whole chunks of channels a group. A block copies one padded row; half a warp reads 16 neighbouring
// columns of one channel after the other, and pairs of lanes write neighbouring chunks.
__global__ void __launch_bounds__(256)
channels_last(const T* from, T* to, long long groups, long long channels, long long chunks, long long height,
              long long width, long long padding) {
    const int rows = height + 2 * padding, columns = width + 2 * padding, all_chunks = groups * chunks;
    const int row = static_cast<int>(blockIdx.x % rows) - static_cast<int>(padding);
    const long long b = blockIdx.x / rows;
    const int pairs = (all_chunks + 1) / 2, items = (columns + 15) / 16 * pairs;
    T* target = to + static_cast<long long>(blockIdx.x) * columns * all_chunks * CHUNK;
    for (int item = threadIdx.x / 32; item < items; item += blockDim.x / 32) {
        const int padded = item / pairs * 16 + threadIdx.x % 16, column = padded - static_cast<int>(padding);
        const int chunk = item % pairs * 2 + threadIdx.x % 32 / 16;
        if (padded >= columns || chunk >= all_chunks) continue;
        const int group = chunk / static_cast<int>(chunks), first = chunk % static_cast<int>(chunks) * CHUNK;
        const bool inside = row >= 0 && row < height && column >= 0 && column < width;
        const T* source = from + (((b * groups + group) * channels + first) * height + row) * width + column;
        Vec<T, CHUNK> values;
#pragma unroll
        for (int i = 0; i < CHUNK; ++i)
            values[i] = inside && first + i < channels ? operand(source[i * height * width]) : from_float<T>(0.0f);
        store(target + (static_cast<long long>(padded) * all_chunks + chunk) * CHUNK, values);
    }
}

// y = weight * patches + bias for one tile of output channels and output pixels of one group. x and weight are
// channels-last copies; the common axis runs over kernel rows, kernel columns and channels, in this order. Where a
// pixel's patch starts and how far a tap lies from there are counted in chunks of x.
template <int ROWS, int COLUMNS, int DEPTH, int WARP_ROWS, int WARP_COLUMNS, int STAGES, bool ALIGNED>
__global__ void __launch_bounds__(ROWS / WARP_ROWS * (COLUMNS / WARP_COLUMNS) * 32)
conv2d_mma(const T* x, const T* weight, const T* bias, T* y, long long batch, long long groups, long long chunks,
           long long height, long long width, long long out_channels, long long out_height, long long out_width,
           long long kernel_h, long long kernel_w, long long stride, long long dilation) {
    using Block = MmaBlock<T, ROWS, COLUMNS, DEPTH, WARP_ROWS, WARP_COLUMNS, true>;
    constexpr int THREADS = Block::THREADS, PER_ROW = DEPTH / CHUNK, ROW_STEP = THREADS / PER_ROW;
    KPARITY_SHARED(T, a_tiles);
    T* b_tiles = a_tiles + STAGES * Block::A_SIZE;
    __shared__ long long targets[COLUMNS];  // of each pixel in the first output channel; -1 past the last pixel

    const int of_group = static_cast<int>(out_channels) / static_cast<int>(groups), tall = (of_group + ROWS - 1) / ROWS;
    const int row = blockIdx.x % tall * ROWS, group = blockIdx.x / tall % static_cast<unsigned>(groups);
    const unsigned column = blockIdx.x / tall / static_cast<unsigned>(groups) * COLUMNS;
    const unsigned image = out_height * out_width;
    const int all_chunks = groups * chunks, depth = kernel_h * kernel_w * chunks;
    const int next_v = dilation * all_chunks, next_u = width * next_v, taps = kernel_w, channels = chunks;

    // This thread copies one chunk of the common axis, `channel` of tap (u, v), for every ROW_STEP-th pixel.
    const int first = threadIdx.x / PER_ROW;
    unsigned starts[COLUMNS / ROW_STEP];  // of those pixels' patches
    long long b = (column + first) / image;
    unsigned pixel = (column + first) % image;
#pragma unroll
    for (int i = 0; i < COLUMNS; i += ROW_STEP) {
        const unsigned i_out = pixel / static_cast<unsigned>(out_width), j_out = pixel - i_out * out_width;
        const bool inside = b < batch;
        starts[i / ROW_STEP] =
            inside ? ((b * height + i_out * stride) * width + j_out * stride) * all_chunks + group * chunks : 0;
        if (threadIdx.x % PER_ROW == 0) targets[first + i] = inside ? b * out_channels * image + pixel : -1;
        for (pixel += ROW_STEP; pixel >= image; pixel -= image) ++b;
    }
    int remaining = depth - static_cast<int>(threadIdx.x) % PER_ROW, channel = threadIdx.x % PER_ROW, u = 0, v = 0;
    auto settle = [&] {
        while (channel >= channels) {
            channel -= channels;
            if (++v == taps) v = 0, ++u;
        }
    };
    settle();

    const T* weight_group = weight + static_cast<long long>(group) * of_group * depth * CHUNK;
    TileLoader<T, ROWS, DEPTH, THREADS, true> weight_loader(weight_group, row, 0, of_group, depth * CHUNK);
    Block block;
    pipeline<STAGES>(
        (depth + PER_ROW - 1) / PER_ROW,
        [&](int stage) {
            weight_loader.load(a_tiles + stage * Block::A_SIZE);
            weight_loader.move_right(DEPTH);
            T* tile = b_tiles + stage * Block::B_SIZE + threadIdx.x % PER_ROW * CHUNK;
            const T* tap = x + static_cast<long long>(u * next_u + v * next_v + channel) * CHUNK;
#pragma unroll
            for (int i = 0; i < COLUMNS; i += ROW_STEP)
                cp_async16(tile + (first + i) * Block::B_STRIDE,
                           tap + static_cast<unsigned long long>(starts[i / ROW_STEP]) * CHUNK, remaining > 0);
            remaining -= PER_ROW;
            channel += PER_ROW;
            settle();
        },
        [&](int stage) { block.multiply(a_tiles + stage * Block::A_SIZE, b_tiles + stage * Block::B_SIZE); });

    float* sums = reinterpret_cast<float*>(a_tiles);
    block.stage(sums);
    __syncthreads();
    constexpr int OUT_PER_ROW = COLUMNS / CHUNK;
    const int j = threadIdx.x % OUT_PER_ROW * CHUNK;
    if (targets[j] < 0) return;
    for (int i = threadIdx.x / OUT_PER_ROW; i < ROWS && row + i < of_group; i += THREADS / OUT_PER_ROW) {
        const int channel_out = group * of_group + row + i;
        const float shift = to_float(bias[channel_out]);
        alignas(16) float values[CHUNK];
#pragma unroll
        for (int at = 0; at < CHUNK; ++at) values[at] = sums[i * (COLUMNS + 8) + j + at] + shift;
        T* target = y + static_cast<long long>(channel_out) * image;
        if (ALIGNED) {
            store_chunk(target + targets[j], values);
        } else {
            for (int at = 0; at < CHUNK && targets[j + at] >= 0; ++at)
                target[targets[j + at]] = from_float<T>(values[at]);
        }
    }
}
