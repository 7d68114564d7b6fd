"""Names of kernels on NVIDIA GPUs: what libraries are known for, and how a candidate's source names its own."""

LIBRARIES = (
    r"(^|::)(cub|thrust|cutlass|cute|cudnn|cask|cublas\w*|cusparse|cusolver|cufft|nccl|xla|stream_executor)::",
    r"(^|::)(CUB|THRUST)_\d|^internal::gemvx::",
    r"^cublas|cublas\w*(Params|Tensor)|cutlass_\d|cudnn|xmma|ncclDevKernel|splitKreduce",
    r"^(maxwell|pascal|volta|turing|ampere)_\w*(gemm|cudnn|conv|winograd|trsm|syrk)",
    r"^sm\d{2,3}_|^nvjet_",
)
"""Patterns for vendors' kernels. A generic name, such as `gemm` or `dot_kernel`, is whose source defines it: cuBLAS'
functions of such names have parameters that are called after it."""

DEFINITIONS = (
    r"\bdef\s+(\w+)\s*[(\[]",
    r"__global__(?:[^;{}()]|__\w{1,40}__\s*\((?:[^()]|\([^()]{0,80}\)){0,80}\)){0,400}?\b(?!__)(\w+)\s*\(",
    r"[\"'](\w+)[\"']",
)
"""Patterns for the names of kernels in a source: functions of Triton, `__global__` ones, names given as text."""
