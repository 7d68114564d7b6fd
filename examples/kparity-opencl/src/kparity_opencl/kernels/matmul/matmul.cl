// c = a @ b in tiles of 16 x 16: each work-group brings a tile of a and one of b to local memory and uses every element
// 16 times. Sums are carried in float32.
//
// kparity: launch matmul global=16*((n+15)//16),16*((m+15)//16) local=16,16

kernel void matmul(global const T *a, global const T *b, global T *c) {
    local float left[16][16], right[16][16];
    size_t x = get_local_id(0), y = get_local_id(1), column = get_global_id(0), row = get_global_id(1);
    float sum = 0.0f;
    for (size_t k = 0; k < K; k += 16) {
        left[y][x] = row < M && k + x < K ? load_T(a, row * K + k + x) : 0.0f;
        right[y][x] = column < N && k + y < K ? load_T(b, (k + y) * N + column) : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (size_t i = 0; i < 16; ++i) sum += left[y][i] * right[i][x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (row < M && column < N) store_T(c, row * N + column, sum);
}
