"""Triton kernels on torch tensors; without a GPU, the same kernels in Triton's interpreter."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kparity import Case, DeviceInfo, Probes, Support, Unavailable, dtypes
from kparity_nvidia.tensors import OnTensors, tf32_product
from kparity_triton.specimens import SPECIMENS

if TYPE_CHECKING:
    import torch

_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
_INTERPRETER_LIMIT = 4_000_000
"""Elements of a case beyond which the interpreter, at about a millisecond for each program, keeps people waiting."""


class TritonBackend(OnTensors):
    """Triton on the CUDA or ROCm device that torch sees, or in the interpreter on torch CPU tensors.

    Device arrays are torch tensors. The interpreter is chosen where torch sees no GPU or `TRITON_INTERPRET` is set.
    """

    name = "triton"
    remedy = "pip install 'kparity[triton]'"
    full_precision = "input_precision='ieee' of tl.dot"
    specimens = SPECIMENS
    _device: torch.device

    def open(self, index: int = 0) -> DeviceInfo:
        """Import torch and triton and make GPU `index` the current device; see the base class."""
        try:
            import torch
        except ImportError as error:
            raise Unavailable(f"torch cannot be imported ({error})", self.remedy) from error
        on_gpu = torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET", "0") in ("", "0")
        if not on_gpu:
            os.environ["TRITON_INTERPRET"] = "1"  # read where triton's own library is defined: before the import
        try:
            import triton
            import triton.language
        except ImportError as error:
            raise Unavailable(f"triton cannot be imported ({error})", self.remedy) from error
        versions = {"torch": torch.__version__, "triton": triton.__version__}
        self.info = self._open_gpu(index, versions) if on_gpu else self._open_interpreter(index, versions)
        return self.info

    def _open_gpu(self, index: int, versions: dict[str, str]) -> DeviceInfo:
        import torch

        count = torch.cuda.device_count()
        if index >= count:
            raise Unavailable(f"there is no GPU {index}, torch sees {count}", f"choose an index below {count}")
        self._device = torch.device("cuda", index)
        torch.cuda.set_device(self._device)
        found = {"cuda": torch.version.cuda, "hip": torch.version.hip, "driver": _driver_version()}
        info = DeviceInfo(
            backend=self.name,
            name=torch.cuda.get_device_name(self._device),
            kind="gpu",
            index=index,
            uuid=f"GPU-{torch.cuda.get_device_properties(self._device).uuid}",
            dtypes=_DTYPES,
            versions={**versions, **{name: version for name, version in found.items() if version}},
        )
        return self.attach(info) if torch.version.cuda else info

    def _open_interpreter(self, index: int, versions: dict[str, str]) -> DeviceInfo:
        import torch

        if index > 0:
            raise Unavailable(f"there is no device {index}, torch sees no GPU", "use device 0, the interpreter")
        # The flag acts while triton is imported: ask triton's library what became of it, not the environment.
        if type(sys.modules["triton.language.standard"].cdiv).__name__ != "InterpretedFunction":
            raise Unavailable(
                "triton was imported for a GPU earlier in this process and cannot switch to its interpreter",
                "run it in its own process, or set TRITON_INTERPRET=1 before anything imports triton",
            )
        self._device = torch.device("cpu")
        return DeviceInfo(
            backend=self.name,
            name="Triton interpreter",
            kind="interpreter",
            dtypes=_DTYPES,
            versions=versions,
            notes=("no GPU: kernels run in Triton's interpreter, which checks results and says nothing about speed",),
        )

    def preload(self) -> None:
        """Import torch and, where it is certain for which device, Triton; asks no driver, which would start threads."""
        import torch

        hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
        if torch.version.cuda is None and torch.version.hip is None:
            os.environ["TRITON_INTERPRET"] = "1"
        elif hidden or os.environ.get("TRITON_INTERPRET", "0") not in ("", "0") or not _has_device_nodes():
            return
        import triton.language  # noqa: F401

        if torch.version.cuda is not None and "TRITON_INTERPRET" not in os.environ:
            for prepare in (_build_launcher, _know_itself, _import_dialect):
                with contextlib.suppress(Exception):  # whoever launches a kernel will meet it again
                    prepare()

    def put(self, array: np.ndarray) -> torch.Tensor:
        """Copy to the device; bfloat16, which torch does not take from NumPy, travels as int16."""
        import torch

        if array.dtype == dtypes.dtype("bfloat16"):
            return torch.tensor(array.view(np.int16), device=self._device).view(torch.bfloat16)
        return torch.tensor(array, device=self._device)

    def get(self, array: torch.Tensor) -> np.ndarray:
        """Copy back, contiguous whatever the strides; waits for the device."""
        import torch

        if type(array) is not torch.Tensor:  # a subclass could answer with other values each time
            raise TypeError(f"expected a torch.Tensor, got {type(array).__module__}.{type(array).__qualname__}")
        if array.device != self._device:
            raise TypeError(f"expected a tensor on {self._device}, got one on {array.device}")
        host = array.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        if host.dtype == torch.bfloat16:
            return host.view(torch.int16).numpy().view(dtypes.dtype("bfloat16"))
        return host.numpy()

    def supports(self, case: Case, function: Callable[..., Any]) -> Support:
        """GPU: every case of the dtypes above. Interpreter: emulated, up to a size."""
        support = super().supports(case, function)
        if support.answer == "no" or self.info.kind == "gpu":
            return support
        if case.elements > _INTERPRETER_LIMIT:
            return Support(
                "no",
                f"{case.elements:,} elements take too long in Triton's interpreter (limit {_INTERPRETER_LIMIT:,}); "
                "a GPU runs this case",
            )
        return Support("emulated", "Triton's interpreter on the CPU")

    def wait(self, outputs: Sequence[torch.Tensor]) -> None:
        """Block until the device is idle; the interpreter is synchronous."""
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def probes(self) -> Probes:
        """An empty Triton kernel, and torch's copy and product on the same tensors, also in TF32 where it can."""
        import torch

        from kparity_triton.null import launch_nothing

        return Probes(launch_nothing, torch.clone, torch.matmul, matmul_tf32=tf32_product if self.has_tf32() else None)


def _build_launcher() -> None:
    """Build and load the C helper of Triton's launches: with the private cache of a candidate, each would build it.

    It asks the driver nothing.
    """
    from triton.backends.nvidia.driver import CudaDriver
    from triton.runtime import driver

    driver.set_active(CudaDriver())


def _know_itself() -> None:
    """Have Triton compute the digest of its own files, which it remembers: the first compilation would take it."""
    from triton.runtime.cache import triton_key

    triton_key()


def _import_dialect() -> None:
    """What Triton imports when it first launches a kernel."""
    import triton.experimental.gluon.nvidia.hopper  # noqa: F401


def _driver_version() -> str:
    """Version of NVIDIA's kernel module, or empty where the system does not tell."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return ""
    found = re.search(r"\b\d{3,}(\.\d+)+\b", text)
    return found.group() if found else ""


def _has_device_nodes() -> bool:
    """Whether the kernel offers a GPU, by its device files."""
    return any(Path(node).exists() for node in ("/dev/nvidia0", "/dev/kfd", "/dev/dxg"))
