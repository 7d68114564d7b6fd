using namespace kparity;

// KERNEL: the window's extent where it is known at compile time, else 0.
template <typename U, typename Index, int KERNEL>
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
    int extent = KERNEL ? KERNEL : static_cast<int>(kernel);
    const U* image = x + static_cast<long long>(plane) * height * width;
    float largest = -INFINITY;
    int place = 0;
#pragma unroll
    for (int u = 0; u < extent; ++u) {
#pragma unroll
        for (int v = 0; v < extent; ++v) {
            int r = row + u, c = column + v;
            if (r < 0 || r >= rows || c < 0 || c >= columns) continue;
            float value = to_float(image[r * columns + c]);
            if (value > largest) {
                largest = value;
                place = r * columns + c;
            }
        }
    }
    y[at] = from_float<U>(largest);
    indices[at] = place;
}
