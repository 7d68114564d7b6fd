// y[r, c] = x[r, c] + bias[c]: one work-item an element.
//
// kparity: launch add_bias global=cols,rows

kernel void add_bias(global const T *x, global const T *bias, global T *y) {
    size_t c = get_global_id(0), i = get_global_id(1) * COLS + c;
    store_T(y, i, load_T(x, i) + load_T(bias, c));
}
