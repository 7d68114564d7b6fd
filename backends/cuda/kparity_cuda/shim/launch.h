// The end of every translation unit of the CPU shim: the entry points through which Python runs KPARITY_KERNEL.
#pragma once

namespace kparity_shim {

template <auto kernel>
struct Call;
template <typename... P, void (*kernel)(P...)>
struct Call<kernel> {
    template <size_t... I>
    static void run(void** values, std::index_sequence<I...>) {
        kernel(*static_cast<std::remove_const_t<P>*>(values[I])...);
    }
    static void once(void** values) { run(values, std::index_sequence_for<P...>()); }
};

// One letter for each parameter: p(ointer), i(nteger of 8 bytes), f(loat), ? for what the launcher cannot pass.
template <typename P>
constexpr char letter = '?';
template <typename P>
constexpr char letter<P*> = 'p';
template <>
constexpr char letter<long long> = 'i';
template <>
constexpr char letter<long> = sizeof(long) == 8 ? 'i' : '?';
template <>
constexpr char letter<unsigned long long> = 'i';
template <>
constexpr char letter<unsigned long> = sizeof(long) == 8 ? 'i' : '?';
template <>
constexpr char letter<int> = 'i';
template <>
constexpr char letter<unsigned> = 'i';
template <>
constexpr char letter<float> = 'f';
template <typename... P>
const char* letters(void (*)(P...)) {
    static const char text[] = {letter<std::remove_const_t<P>>..., 0};
    return text;
}

}  // namespace kparity_shim

extern "C" {
#pragma GCC visibility push(default)
unsigned kparity_where[6];  // block and thread of the last failure
const char* kparity_parameters() { return kparity_shim::letters(&KPARITY_KERNEL); }
const char* kparity_launch(const unsigned* extents, void** values) {
    auto [gx, gy, gz, bx, by, bz] = reinterpret_cast<const unsigned(&)[6]>(*extents);
    auto once = kparity_shim::Call<&KPARITY_KERNEL>::once;
    const char* failure = kparity_shim::launch({gx, gy, gz}, {bx, by, bz}, values, once);
    if (failure) {
        const auto &block = kparity_shim::block, &thread = kparity_shim::thread;
        unsigned at[6] = {block.x, block.y, block.z, thread.x, thread.y, thread.z};
        memcpy(kparity_where, at, sizeof(at));
    }
    return failure;
}
#pragma GCC visibility pop
}
