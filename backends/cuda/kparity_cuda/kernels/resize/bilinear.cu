using namespace kparity;

// Where one output reads along one axis: two neighbours, and the weight of the second.
struct Source {
    int low, high;
    float part;

    __device__ Source() {}
    __device__ Source(int out, int length, float scale, float shift) {
        float place = fmaxf((out + shift) * scale - shift, 0.0f);
        low = min(static_cast<int>(place), length - 1);
        high = min(low + 1, length - 1);
        part = place - low;
    }
};

// One line of the source, interpolated at N columns.
template <int N>
struct Line {
    float value[N];

    template <typename U>
    __device__ void read(const U* line, const Source (&columns)[N]) {
#pragma unroll
        for (int k = 0; k < N; ++k) {
            value[k] = to_float(line[columns[k].low]) * (1.0f - columns[k].part) +
                       to_float(line[columns[k].high]) * columns[k].part;
        }
    }
};

// A thread computes N neighbouring outputs of LINES lines, one below the other. It finds the columns' sources once, and
// keeps two interpolated source lines: where the picture grows, the next output line needs one of them or both again.
// `vectors` counts N outputs of LINES lines, `out_vectors` the former along a line; `shift` is half a pixel, or 0 where
// corners are aligned.
template <typename U, typename Index, int N, int LINES>
__global__ void bilinear_planes(const U* __restrict__ x, U* __restrict__ y, long long vectors, long long height,
                                long long width, long long out_height, long long out_vectors, float row_scale,
                                float column_scale, float shift) {
    Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= vectors) return;
    Index bands = (static_cast<Index>(out_height) + LINES - 1) / LINES;
    Index band = at / static_cast<Index>(out_vectors), plane = band / bands;
    int column = static_cast<int>(at - band * static_cast<Index>(out_vectors)) * N;
    int row = static_cast<int>(band - plane * bands) * LINES;
    const U* image = x + static_cast<long long>(plane) * height * width;
    y += (static_cast<long long>(plane) * out_height + row) * (out_vectors * N) + column;
    Source columns[N];
#pragma unroll
    for (int k = 0; k < N; ++k) columns[k] = Source(column + k, static_cast<int>(width), column_scale, shift);
    Line<N> upper, lower;
    int upper_at = -1, lower_at = -1;
    for (int line = 0; line < LINES && row + line < static_cast<int>(out_height); ++line) {
        Source r(row + line, static_cast<int>(height), row_scale, shift);
        if (r.low != upper_at) {
            if (r.low == lower_at) upper = lower;
            else upper.read(image + r.low * width, columns);
            upper_at = r.low;
        }
        if (r.high != lower_at) {
            lower.read(image + r.high * width, columns);
            lower_at = r.high;
        }
        Vec<U, N> result;
#pragma unroll
        for (int k = 0; k < N; ++k) {
            result[k] = from_float<U>(upper.value[k] * (1.0f - r.part) + lower.value[k] * r.part);
        }
        store(y, result);
        y += out_vectors * N;
    }
}
