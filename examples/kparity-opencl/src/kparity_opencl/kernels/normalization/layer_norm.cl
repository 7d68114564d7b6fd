// y = (x - mean) / sqrt(variance + eps) * weight + bias: a work-group of 64 for each row. The variance is taken of the
// centred values, since mean(x^2) - mean(x)^2 cancels where the mean is large.
//
// kparity: launch layer_norm global=64*rows local=64

#include "group.h"

kernel void layer_norm(global const T *x, global const T *weight, global const T *bias, global T *y) {
    local float scratch[64];
    size_t row = get_group_id(0) * COLS;
    float sum = 0.0f, squares = 0.0f;
    for (size_t c = get_local_id(0); c < COLS; c += 64) sum += load_T(x, row + c);
    float mean = group_sum(sum, scratch) / COLS;
    for (size_t c = get_local_id(0); c < COLS; c += 64) {
        float v = load_T(x, row + c) - mean;
        squares += v * v;
    }
    float root = sqrt(group_sum(squares, scratch) / COLS + EPS);
    for (size_t c = get_local_id(0); c < COLS; c += 64)
        store_T(y, row + c, (load_T(x, row + c) - mean) / root * load_T(weight, c) + load_T(bias, c));
}
