// Softmax over the last axis: a work-group of 64 for each row, which it reads three times.
//
// kparity: launch softmax global=64*rows local=64

#include "group.h"

kernel void softmax(global const T *x, global T *y) {
    local float scratch[64];
    size_t row = get_group_id(0) * COLS;
    float top = -INFINITY, sum = 0.0f;
    for (size_t c = get_local_id(0); c < COLS; c += 64) top = fmax(top, load_T(x, row + c));
    top = group_max(top, scratch);
    for (size_t c = get_local_id(0); c < COLS; c += 64) sum += exp(load_T(x, row + c) - top);
    sum = group_sum(sum, scratch);
    for (size_t c = get_local_id(0); c < COLS; c += 64) store_T(y, row + c, exp(load_T(x, row + c) - top) / sum);
}
