// loss[r] = lse[r] - (1 - s) * logits[r, target] - s * mean_c logits[r, c], with s the label smoothing; 0 where the
// target is to be ignored. A work-group of 64 for each row; logits count from the row's maximum, which cancels.
//
// kparity: launch cross_entropy global=64*rows local=64

#include "group.h"

kernel void cross_entropy(global const T *logits, global const int *targets, global float *loss) {
    local float scratch[64];
    size_t r = get_group_id(0), row = r * CLASSES;
    float top = -INFINITY, powers = 0.0f, sum = 0.0f;
    for (size_t c = get_local_id(0); c < CLASSES; c += 64) top = fmax(top, load_T(logits, row + c));
    top = group_max(top, scratch);
    for (size_t c = get_local_id(0); c < CLASSES; c += 64) {
        float v = load_T(logits, row + c) - top;
        powers += exp(v);
        sum += v;
    }
    powers = group_sum(powers, scratch);
    sum = group_sum(sum, scratch);
    if (get_local_id(0) != 0) return;
    float s = LABEL_SMOOTHING;
    int target = targets[r];
    float picked = target == IGNORE_INDEX ? 0.0f : load_T(logits, row + target) - top;
    loss[r] = target == IGNORE_INDEX ? 0.0f : log(powers) - (1.0f - s) * picked - s * (sum / CLASSES);
}
