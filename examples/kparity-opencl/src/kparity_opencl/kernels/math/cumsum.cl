// Inclusive cumulative sum of each row: a work-group of 64, each work-item with a contiguous part of the row. It sums its
// part, learns what stands before it, and runs through its part again.
//
// kparity: launch cumsum global=64*rows local=64

kernel void cumsum(global const T *x, global T *y) {
    local float parts[64];
    size_t me = get_local_id(0), row = get_group_id(0) * COLS;
    size_t length = (COLS + 63) / 64, from = min(me * length, (size_t)COLS), to = min(from + length, (size_t)COLS);
    float sum = 0.0f;
    for (size_t c = from; c < to; ++c) sum += load_T(x, row + c);
    parts[me] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    sum = 0.0f;
    for (size_t before = 0; before < me; ++before) sum += parts[before];
    for (size_t c = from; c < to; ++c) {
        sum += load_T(x, row + c);
        store_T(y, row + c, sum);
    }
}
