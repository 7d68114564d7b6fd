template <typename Unit, int UNITS>
__global__ void copy_rows(const Unit* __restrict__ table, const int* __restrict__ indices, Unit* __restrict__ rows,
                          long long tokens, long long units) {
    long long token = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    if (token >= tokens) return;
    const Unit* from = table + indices[token] * units;
    Unit* to = rows + token * units;
    for (long long first = threadIdx.x; first < units; first += UNITS * blockDim.x) {
        Unit unit[UNITS];
#pragma unroll
        for (int j = 0; j < UNITS; ++j) {
            if (first + j * blockDim.x < units) unit[j] = from[first + j * blockDim.x];
        }
#pragma unroll
        for (int j = 0; j < UNITS; ++j) {
            if (first + j * blockDim.x < units) to[first + j * blockDim.x] = unit[j];
        }
    }
}
