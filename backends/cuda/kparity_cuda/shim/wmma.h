// nvcuda::wmma: matrix fragments of a warp. Lane l holds elements l * n to l * n + n - 1 of the row-major matrix, and
// the last lane to reach a product computes it for all.
#pragma once

namespace nvcuda {
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32 {};
}

template <typename U>
struct Storage { using type = U; };
template <>
struct Storage<precision::tf32> { using type = float; };

template <typename Use, int M, int N, int K>
struct Extent;
template <int M, int N, int K>
struct Extent<matrix_a, M, N, K> { enum { rows = M, columns = K }; };
template <int M, int N, int K>
struct Extent<matrix_b, M, N, K> { enum { rows = K, columns = N }; };
template <int M, int N, int K>
struct Extent<accumulator, M, N, K> { enum { rows = M, columns = N }; };

template <typename Use, int M, int N, int K, typename U, typename Layout = void>
struct fragment {
    using element_type = typename Storage<U>::type;
    enum {
        rows = Extent<Use, M, N, K>::rows,
        columns = Extent<Use, M, N, K>::columns,
        num_elements = rows * columns / 32,
        num_storage_elements = num_elements
    };
    element_type x[num_elements];
};

template <typename F, typename V>
void fill_fragment(F& to, V value) {
    for (auto& element : to.x) element = static_cast<typename F::element_type>(value);
}

namespace shim {
template <typename F, typename Visit>
void visit(F& of, unsigned stride, bool by_row, Visit&& at) {
    for (int i = 0; i < F::num_elements; ++i) {
        unsigned linear = kparity_shim::lane() * F::num_elements + i;
        unsigned row = linear / F::columns, column = linear % F::columns;
        at(of.x[i], by_row ? row * stride + column : column * stride + row);
    }
}
template <typename Layout>
constexpr bool by_row = false;
template <>
constexpr bool by_row<row_major> = true;
}  // namespace shim

template <typename Use, int M, int N, int K, typename U, typename Layout, typename V>
void load_matrix_sync(fragment<Use, M, N, K, U, Layout>& to, const V* from, unsigned stride) {
    shim::visit(to, stride, shim::by_row<Layout>, [from](auto& element, unsigned at) { element = from[at]; });
}
template <int M, int N, int K, typename U, typename V>
void load_matrix_sync(fragment<accumulator, M, N, K, U>& to, const V* from, unsigned stride, layout_t layout) {
    shim::visit(to, stride, layout == mem_row_major, [from](auto& element, unsigned at) { element = from[at]; });
}
template <int M, int N, int K, typename U, typename V>
void store_matrix_sync(V* to, const fragment<accumulator, M, N, K, U>& from, unsigned stride, layout_t layout) {
    shim::visit(from, stride, layout == mem_row_major, [to](auto& element, unsigned at) { to[at] = element; });
}

inline float __float_to_tf32(float x) {
    uint32_t word = kparity_shim::bits<uint32_t>(x);
    return kparity_shim::bits<float>((word + 0x1000) & 0xffffe000);
}

template <int M, int N, int K, typename U, typename LA, typename LB, typename V, typename W>
void mma_sync(fragment<accumulator, M, N, K, V>& d, const fragment<matrix_a, M, N, K, U, LA>& a,
              const fragment<matrix_b, M, N, K, U, LB>& b, const fragment<accumulator, M, N, K, W>& c) {
    struct Operands {
        fragment<accumulator, M, N, K, V>* to;
        const fragment<matrix_a, M, N, K, U, LA>* left;
        const fragment<matrix_b, M, N, K, U, LB>* right;
        const fragment<accumulator, M, N, K, W>* plus;
    } own{&d, &a, &b, &c};
    kparity_shim::collective(0xffffffffu, &own, [](void* const* payloads, unsigned lanes) {
        if (lanes != 0xffffffffu) kparity_shim::fail("mma_sync needs all 32 lanes of the warp");
        alignas(32) float left[M][K], right[K][N], sum[M][N];
        float *to_left = &left[0][0], *to_right = &right[0][0], *to_sum = &sum[0][0];
        for (int lane = 0; lane < 32; ++lane) {
            const auto& of = *static_cast<Operands*>(payloads[lane]);
            for (const auto& element : of.left->x) *to_left++ = element;
            for (const auto& element : of.right->x) *to_right++ = element;
            for (const auto& element : of.plus->x) *to_sum++ = element;
        }
        for (int m = 0; m < M; ++m) {
            for (int k = 0; k < K; ++k) {
                for (int n = 0; n < N; ++n) sum[m][n] += left[m][k] * right[k][n];
            }
        }
        to_sum = &sum[0][0];
        for (int lane = 0; lane < 32; ++lane) {
            for (auto& element : static_cast<Operands*>(payloads[lane])->to->x) element = *to_sum++;
        }
    });
}

}  // namespace wmma
}  // namespace nvcuda
