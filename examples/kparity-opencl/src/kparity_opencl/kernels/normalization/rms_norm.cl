// y = x / sqrt(mean(x^2) + eps) * weight: a work-group of 64 for each row.
//
// kparity: launch rms_norm global=64*rows local=64

#include "group.h"

kernel void rms_norm(global const T *x, global const T *weight, global T *y) {
    local float scratch[64];
    size_t row = get_group_id(0) * COLS;
    float squares = 0.0f;
    for (size_t c = get_local_id(0); c < COLS; c += 64) {
        float v = load_T(x, row + c);
        squares += v * v;
    }
    float root = sqrt(group_sum(squares, scratch) / COLS + EPS);
    for (size_t c = get_local_id(0); c < COLS; c += 64)
        store_T(y, row + c, load_T(x, row + c) / root * load_T(weight, c));
}
