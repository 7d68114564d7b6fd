// rows[t, :] = table[indices[t], :]: one work-item an element, copied as it is stored.
//
// kparity: launch embedding global=width,tokens

kernel void embedding(global const T *table, global const int *indices, global T *rows) {
    size_t w = get_global_id(0), t = get_global_id(1);
    rows[t * WIDTH + w] = table[(size_t)indices[t] * WIDTH + w];
}
