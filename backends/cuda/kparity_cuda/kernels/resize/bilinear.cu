using namespace kparity;

// Where one output reads along one axis: two neighbours, and the weight of the second.
struct Source {
    int low, high;
    float part;

    __device__ Source(int out, int length, float scale, float shift) {
        float place = fmaxf((out + shift) * scale - shift, 0.0f);
        low = min(static_cast<int>(place), length - 1);
        high = min(low + 1, length - 1);
        part = place - low;
    }
};

// `vectors` and `out_vectors` count N outputs each; `shift` is half a pixel, or 0 where corners are aligned.
template <typename U, typename Index, int N>
__global__ void bilinear_planes(const U* __restrict__ x, U* __restrict__ y, long long vectors, long long height,
                                long long width, long long out_height, long long out_vectors, float row_scale,
                                float column_scale, float shift) {
    Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= vectors) return;
    Index line = at / static_cast<Index>(out_vectors), plane = line / static_cast<Index>(out_height);
    int column = static_cast<int>(at - line * static_cast<Index>(out_vectors)) * N;
    int row = static_cast<int>(line - plane * static_cast<Index>(out_height));
    Source r(row, static_cast<int>(height), row_scale, shift);
    const U* upper = x + (static_cast<long long>(plane) * height + r.low) * width;
    const U* lower = x + (static_cast<long long>(plane) * height + r.high) * width;
    Vec<U, N> result;
#pragma unroll
    for (int k = 0; k < N; ++k) {
        Source c(column + k, static_cast<int>(width), column_scale, shift);
        float top = to_float(upper[c.low]) * (1.0f - c.part) + to_float(upper[c.high]) * c.part;
        float bottom = to_float(lower[c.low]) * (1.0f - c.part) + to_float(lower[c.high]) * c.part;
        result[k] = from_float<U>(top * (1.0f - r.part) + bottom * r.part);
    }
    store(y + static_cast<long long>(at) * N, result);
}
