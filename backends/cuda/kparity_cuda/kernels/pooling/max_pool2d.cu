using namespace kparity;

// The largest value seen so far and where it lies; of equal values the first one seen.
struct Largest {
    float value = -INFINITY;
    int place = 0;

    __device__ void see(float other, int where) {
        bool larger = other > value;
        value = larger ? other : value;
        place = larger ? where : place;
    }
};

// One thread computes LINES outputs, one below the other. What neighbouring windows share is looked at once: first the
// largest of each row of KERNEL elements, then the largest of each window's rows. Places outside the image are clamped
// to the nearest one inside, which belongs to the same window and so changes no maximum (padding <= KERNEL / 2).
template <typename U, typename Index, int KERNEL, int STRIDE, int LINES>
__global__ void max_pool2d_lines(const U* __restrict__ x, U* __restrict__ y, int* __restrict__ indices,
                                 long long threads, long long height, long long width, long long out_height,
                                 long long out_width, long long padding) {
    Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= threads) return;
    Index bands = (static_cast<Index>(out_height) + LINES - 1) / LINES;
    Index band = at / static_cast<Index>(out_width), plane = band / bands;
    int out_column = static_cast<int>(at - band * static_cast<Index>(out_width));
    int out_row = static_cast<int>(band - plane * bands) * LINES;
    int rows = static_cast<int>(height), columns = static_cast<int>(width);
    int row = out_row * STRIDE - static_cast<int>(padding), column = out_column * STRIDE - static_cast<int>(padding);
    const U* image = x + static_cast<long long>(plane) * height * width;
    constexpr int ROWS = (LINES - 1) * STRIDE + KERNEL;
    float values[ROWS][KERNEL];
    int first[ROWS], columns_at[KERNEL];
#pragma unroll
    for (int v = 0; v < KERNEL; ++v) columns_at[v] = min(max(column + v, 0), columns - 1);
#pragma unroll
    for (int u = 0; u < ROWS; ++u) {
        first[u] = min(max(row + u, 0), rows - 1) * columns;
#pragma unroll
        for (int v = 0; v < KERNEL; ++v) values[u][v] = to_float(image[first[u] + columns_at[v]]);
    }
    Largest of_row[ROWS];
#pragma unroll
    for (int u = 0; u < ROWS; ++u) {
#pragma unroll
        for (int v = 0; v < KERNEL; ++v) of_row[u].see(values[u][v], first[u] + columns_at[v]);
    }
    long long target = (static_cast<long long>(plane) * out_height + out_row) * out_width + out_column;
#pragma unroll
    for (int line = 0; line < LINES; ++line) {
        if (out_row + line >= static_cast<int>(out_height)) return;
        Largest of_window;
#pragma unroll
        for (int u = 0; u < KERNEL; ++u) of_window.see(of_row[line * STRIDE + u].value, of_row[line * STRIDE + u].place);
        y[target + line * out_width] = from_float<U>(of_window.value);
        indices[target + line * out_width] = of_window.place;
    }
}

// Any window and stride: one thread computes one output.
template <typename U, typename Index>
__global__ void max_pool2d_windows(const U* __restrict__ x, U* __restrict__ y, int* __restrict__ indices,
                                   long long outputs, long long height, long long width, long long out_height,
                                   long long out_width, long long kernel, long long stride, long long padding) {
    Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= outputs) return;
    Index line = at / static_cast<Index>(out_width), plane = line / static_cast<Index>(out_height);
    int column = static_cast<int>(at - line * static_cast<Index>(out_width)) * static_cast<int>(stride);
    int row = static_cast<int>(line - plane * static_cast<Index>(out_height)) * static_cast<int>(stride);
    row -= static_cast<int>(padding);
    column -= static_cast<int>(padding);
    int rows = static_cast<int>(height), columns = static_cast<int>(width);
    const U* image = x + static_cast<long long>(plane) * height * width;
    Largest largest;
    for (int r = max(row, 0); r < min(row + static_cast<int>(kernel), rows); ++r) {
        for (int c = max(column, 0); c < min(column + static_cast<int>(kernel), columns); ++c) {
            largest.see(to_float(image[r * columns + c]), r * columns + c);
        }
    }
    y[at] = from_float<U>(largest.value);
    indices[at] = largest.place;
}
