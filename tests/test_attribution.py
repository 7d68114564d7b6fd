"""Whose kernels ran, for the policy `hand-written`: by names as CUPTI reports them and as other clocks might."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kparity.attribution import Naming, attribute, qualified
from kparity.records import Launch
from kparity_cuda.backend import CudaBackend
from kparity_jax.backend import JaxBackend
from kparity_torch.backend import TorchBackend
from kparity_triton.backend import TritonBackend

SOFTMAX = (
    "_ZN2at6native43_GLOBAL__N__8b4a3b1f_10_SoftMax_cu_9f978f6319cunn_SoftMaxForwardILi4EfffNS1_22SoftMaxForwardEpilogueEEEvPT2_PKT0_i",
    "_ZN2at6native12_GLOBAL__N_123cunn_SoftMaxForwardSmemILi4EfffNS1_22SoftMaxForwardEpilogueElEEvPT2_PKT0_T4_",
    "_ZN43_GLOBAL__N__8b4a3b1f_10_SoftMax_cu_9f978f6320softmax_warp_forwardIfffLi10ELb0ELb0ELi32EEEvPT0_PKT_iiiPKbib",
    "void (anonymous namespace)::softmax_warp_forward<float, float, float, 10, false, false>(float*, float const*)",
    "void at::native::(anonymous namespace)::cunn_SoftMaxForward<4, float, float, float>(float*, float const*, int)",
)
ARITHMETIC = (
    "_ZN2at6native29vectorized_elementwise_kernelILi4EZZZNS0_15exp_kernel_cudaERNS_18TensorIteratorBaseEENKUlvE0_clEvENKUlvE0_clEvEUlfE_St5arrayIPcLm2EEEEviT0_T1_",
    "_ZN2at6native13reduce_kernelILi512ELi1ENS0_8ReduceOpIfNS0_14func_wrapper_tIfNS0_13MaxNanFunctorIfEEEEjfLi4ELi4EEEEEvT1_",
    "_ZN2at6native29vectorized_elementwise_kernelILi4EZZZNS0_44_GLOBAL__N__50c743a2_11_Indexing_cu_89862edb18masked_fill_kernelERNS_14TensorIteratorERKN3c106ScalarEENKUlvE_clEvENKUlvE5_clEvEUlfbE_St5arrayIPcLm3EEEEviT0_",
)
PRODUCTS = (
    "ampere_sgemm_128x64_nn",
    "sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize32x32x8_stage3_warpsize1x2x1_ffma_aligna4_alignc4_execute_kernel__5x_cublas",
    "nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_NNT",
    "_ZN7cutlass7Kernel2I55cutlass_80_simt_sgemm_256x128_8x4_nn_align1EEvNT_6ParamsE",
    "void cutlass::Kernel2<cutlass_80_simt_sgemm_64x64_8x5_nt_align1>(T1::Params)",
    "_ZN8internal5gemvx6kernelIii6__halfS2_S2_fLb0ELb1ELb1ELb0ELi7ELb0E18cublasGemvParamsExIi30cublasGemvTensorStridedBatchedIKS2_ES6_S4_IS2_EfEEENSt9enable_ifIXntT5_EvE4typeET11_",
    "_Z17gemv2T_kernel_valIiiffffLi128ELi16ELi4ELi4ELb0ELb0E18cublasGemvParamsExIi30cublasGemvTensorStridedBatchedIKfES4_S2_IfEfEEvT11_T4_S8_",
    "_ZN8cublasLt19splitKreduce_kernelILi32ELi16EiffffLb1ELb0ELb0EEEvNS_18cublasSplitKParamsIT4_EE",
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_3_64x64x64",
)
FILL = "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_11FillFunctorIfEESt5arrayIPcLm1EEEEviT0_T1_"
COPY = (
    "_ZN2at6native27unrolled_elementwise_kernelIZZZNS0_23direct_copy_kernel_cudaERNS_18TensorIt"
    "eratorBaseEENKUlvE1_clEvENKUlvE5_clEvEUlfE_St5arrayIPcLm2EE"
)

TRITON = """
import torch, triton

@triton.jit
def _rows(x, y):
    pass

def softmax(x):
    return torch.softmax(x, -1)
"""
CUDA = """
template <typename U, int N>
__global__ void __launch_bounds__(N < 256 ? 256 : (N))
    rows(const U* x, U* y) {}
extern "C" __global__ void plain(float* y) {}
namespace mine { __global__ void dot_kernel(float* y) { rows2(y); } }
"""


@dataclass(frozen=True)
class One:
    """A backend, a source for it, and a name that the source defines."""

    backend: type
    source: str
    own: str


TENSORS = [pytest.param(One(one, TRITON, "_rows"), id=one.name) for one in (TorchBackend, TritonBackend)]
EVERY = [
    *TENSORS,
    pytest.param(One(CudaBackend, CUDA, "_Z4rowsIfLi4EEvPKT_PS0_"), id="cuda"),
    pytest.param(One(JaxBackend, "def softmax(x): ...", "input_reduce_fusion_2"), id="jax"),
]


def judged(one: One, *ran: tuple[str, float]) -> str:
    """Status of the check, `passed` where nothing is wrong."""
    found = attribute([Launch(name, 1.0, share) for name, share in ran], Naming.of(one.backend()), one.source)
    assert found is None or found.message
    return "passed" if found is None else found.status


@pytest.mark.parametrize("one", EVERY)
def test_a_kernel_of_its_own_passes(one):
    assert judged(one, (one.own, 1.0)) == "passed"
    assert judged(one, (one.own, 0.6), ("copy", 0.2), ("fill", 0.2)) == "passed"


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("one", EVERY)
def test_a_vendors_product_fails_also_beside_a_decoy(one, name):
    assert judged(one, (name, 1.0)) == "failed"
    assert judged(one, (name, 0.9), (one.own, 0.1)) == "failed"
    assert judged(one, (name, 0.04), (one.own, 0.96)) == "passed"


@pytest.mark.parametrize("name", [*SOFTMAX, *ARITHMETIC])
@pytest.mark.parametrize("one", EVERY[:3])
def test_kernels_of_torch_fail_where_they_compute(one, name):
    expected = {"failed", "inconclusive"} if one.backend is CudaBackend else {"failed"}
    assert judged(one, (name, 0.9), (one.own, 0.1)) in expected


@pytest.mark.parametrize("name", SOFTMAX)
@pytest.mark.parametrize("one", TENSORS)
def test_calling_a_function_of_its_own_as_a_library_does_whitewashes_nothing(one, name):
    claiming = One(one.backend, f"{one.source}\ndef {qualified(name)[-1]}(x): ...\n", one.own)
    assert judged(claiming, (name, 0.9), (one.own, 0.1)) == "failed"
    claiming = One(one.backend, f"{one.source}\ndef ampere_sgemm_128x64_nn(x): ...\n", one.own)
    assert judged(claiming, ("ampere_sgemm_128x64_nn", 1.0)) == "failed"


@pytest.mark.parametrize("one", TENSORS)
def test_fills_and_copies_are_nobodys_merit(one):
    assert judged(one, (FILL, 0.4), (COPY, 0.3), (one.own, 0.3)) == "passed"
    assert judged(one, (FILL, 0.5), (COPY, 0.5)) == "failed"


@pytest.mark.parametrize("name", ["_bsr_softmax_kernel", "_Z9somewherePf", "_ZN4mine12_GLOBAL__N_15_rowsEPf"])
@pytest.mark.parametrize("one", TENSORS)
def test_what_the_source_does_not_define_is_not_known_to_be_its_own(one, name):
    assert judged(one, (name, 0.9), (one.own, 0.1)) == "inconclusive"
    assert judged(one, (name, 0.01), (one.own, 0.99)) == "passed"


@pytest.mark.parametrize("one", TENSORS)
def test_what_a_compiler_of_torch_wrote_is_not_hand_written(one):
    assert judged(one, ("triton_per_fused__softmax_0", 1.0)) == "failed"


@pytest.mark.parametrize(
    "name", ["gemm", "flash_attention", "gemv_rows", "ada_norm", "copy", "reduce_1Block", "_rows_0d1d2de", "hopper"]
)
@pytest.mark.parametrize("one", TENSORS)
def test_a_function_of_its_own_may_be_called_as_it_likes(one, name):
    source = f"@triton.jit\ndef {name.removesuffix('_0d1d2de')}(x): ...\n"
    assert judged(One(one.backend, source, name), (name, 1.0)) == "passed"


@pytest.mark.parametrize("name", ["plain", "_Z5plainPf", "_ZN4mine10dot_kernelEPf", "mine::dot_kernel(float*)"])
@pytest.mark.parametrize("backend", [TorchBackend, CudaBackend])
def test_functions_of_a_cuda_source_are_its_own(backend, name):
    assert judged(One(backend, CUDA, name), (name, 1.0)) == "passed"


def test_a_kernel_that_a_directive_or_a_host_function_names_is_its_own():
    assert judged(One(CudaBackend, "// kparity: launch made<T> grid=1", ""), ("_Z4madeIfEvPf", 1.0)) == "passed"
    assert judged(One(CudaBackend, "launch('made', grid)", ""), ("_Z4madePf", 1.0)) == "passed"


def test_cupys_own_kernels_are_a_librarys_but_for_copies():
    one = One(CudaBackend, CUDA, "plain")
    assert judged(one, ("cupy_exp__float32_float32", 0.9), ("plain", 0.1)) == "failed"
    assert judged(one, ("cupy_copy__float32_float32", 0.9), ("plain", 0.1)) == "passed"


@pytest.mark.parametrize("name", ["gemm_fusion_dot_1", "_ZN3cub17CUB_200700_900_NS28DeviceRadixSortOnesweepKernelEv"])
def test_xlas_fusions_are_honest_and_its_products_and_sorts_are_not(name):
    jax = One(JaxBackend, "def softmax(x): ...", "")
    for fusion in ("loop_exponential_fusion", "wrapped_add", "fusion_3", "_gelu"):
        assert judged(jax, (fusion, 1.0)) == "passed"
    assert judged(jax, (name, 0.5), ("loop_add_fusion", 0.5)) == "failed"


def test_without_a_source_only_known_libraries_are_told():
    registered = One(CudaBackend, "", "")
    assert judged(registered, ("_Z14logsumexp_rowsIfLi4ELi256ELi4EEvPKT_PS0_xx", 1.0)) == "passed"
    assert judged(registered, (PRODUCTS[0], 1.0)) == "failed"


def test_what_cannot_be_seen_is_inconclusive():
    assert judged(One(TorchBackend, TRITON, "")) == "inconclusive"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("_Z4rowsPKfPfx", ("rows",)),
        ("_ZL4rowsPf", ("rows",)),
        ("_ZN12_GLOBAL__N_14rowsEPf", ("(anonymous namespace)", "rows")),
        ("_ZN2at6native13reduce_kernelILi512EEEvT_", ("at", "native", "reduce_kernel")),
        ("_Z", ("_Z",)),
        ("_Z999x", ("_Z999x",)),
        ("static void <unnamed>::f<(int)4, float>(float*)", ("(anonymous namespace)", "f")),
    ],
)
def test_a_name_is_taken_apart(name, path):
    assert qualified(name) == path
