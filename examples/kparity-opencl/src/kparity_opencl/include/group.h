// Reductions over a work-group whose size is a power of two; `scratch` has one float for each work-item.

float group_sum(float value, local float *scratch) {
    size_t me = get_local_id(0);
    scratch[me] = value;
    for (size_t half_size = get_local_size(0) / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_size) scratch[me] += scratch[me + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    value = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);  // nobody may write again before everybody has read
    return value;
}

float group_max(float value, local float *scratch) {
    size_t me = get_local_id(0);
    scratch[me] = value;
    for (size_t half_size = get_local_size(0) / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < half_size) scratch[me] = fmax(scratch[me], scratch[me + half_size]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    value = scratch[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    return value;
}
