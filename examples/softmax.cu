// Softmax over rows, one block of 256 threads each. A candidate that is nothing but CUDA C++ says how it is launched:
//
// kparity: launch softmax_rows<T> grid=rows block=256 args=x,y,cols

using namespace kparity;

template <typename U>
__global__ void softmax_rows(const U* __restrict__ x, U* __restrict__ y, long long cols) {
    x += blockIdx.x * cols;
    y += blockIdx.x * cols;
    float top = -INFINITY;
    for (long long c = threadIdx.x; c < cols; c += 256) top = fmaxf(top, to_float(x[c]));
    top = block_max<256>(top);
    float sum = 0.0f;
    for (long long c = threadIdx.x; c < cols; c += 256) sum += expf(to_float(x[c]) - top);
    sum = block_sum<256>(sum);
    for (long long c = threadIdx.x; c < cols; c += 256) y[c] = from_float<U>(expf(to_float(x[c]) - top) / sum);
}
