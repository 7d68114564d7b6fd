// GELU, exact by the complementary error function (which keeps the tails), or by the tanh approximation.
//
// kparity: launch gelu global=n

kernel void gelu(global const T *x, global T *y) {
    size_t i = get_global_id(0);
    float v = load_T(x, i);
#ifdef APPROXIMATE_TANH
    float u = 0.7978845608f * (v + 0.044715f * v * v * v);
    store_T(y, i, v / (1.0f + exp(-2.0f * u)));  // 1 + tanh(u), without cancellation
#else
    store_T(y, i, 0.5f * v * erfc(-0.7071067812f * v));
#endif
}
