"""JAX as a kparity backend: whatever device XLA compiles for, GPU, TPU or CPU."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kparity import Case, DeviceInfo, Probes, Support, Unavailable, cpu_name
from kparity_nvidia import OnNvidia, kernels

_WIDE = ("float64", "int64", "uint64")
_KINDS = {"gpu": "gpu", "cuda": "gpu", "rocm": "gpu", "cpu": "cpu"}
_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin", "jax-rocm7-plugin", "jax-rocm60-plugin", "libtpu")


class JaxBackend(OnNvidia):
    """One JAX device; an index counts the devices of JAX's default platform (a GPU or TPU where there is one).

    64-bit types are exact: JAX's 64-bit mode is switched on around every transfer, compilation and call that involves
    one, and nowhere else, so that the other kernels are the ones that a JAX user gets.

    Under the policy `hand-written`, what XLA makes of a candidate's operations is its own; products that XLA hands to a
    library or to a template of its own, and whatever else was compiled beforehand, are not.
    """

    name: ClassVar[str] = "jax"
    remedy: ClassVar[str] = "pip install 'kparity[jax]'"
    on_default_stream: ClassVar[bool] = False
    library_kernels: ClassVar[tuple[str, ...]] = (*kernels.LIBRARIES, r"^_Z", r"gemm_fusion|^triton_gemm|(^|_)dot(_|$)")
    full_precision: ClassVar[str] = (
        "jax.lax.Precision.HIGHEST as precision= of the product, or jax.default_matmul_precision('highest') around it"
    )
    guarded: ClassVar[tuple[str, ...]] = ("jax", "jax.numpy", "jax:Array")

    def open(self, index: int = 0) -> DeviceInfo:
        """Import JAX, with memory preallocation off unless the environment says otherwise, and claim a device.

        Raises:
            Unavailable: JAX is not installed, fails to start, or has no device `index`.
        """
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # read once, when the client starts
        try:
            import jax.numpy  # a submodule: a folder called jax on the path is not JAX
        except ImportError as error:
            raise Unavailable("jax is not installed", self.remedy) from error
        if cache := os.environ.get("JAX_COMPILATION_CACHE_DIR"):  # read at import, which may have been elsewhere
            jax.config.update("jax_compilation_cache_dir", cache)
        try:
            devices = jax.devices()
        except RuntimeError as error:
            raise Unavailable(f"jax found no device ({error})", "check JAX_PLATFORMS and jax's plugins") from error
        if not 0 <= index < len(devices):
            raise Unavailable(f"jax has no device {index}: it sees {len(devices)} ({devices[0].platform})")
        self._jax: Any = jax
        self._device = devices[index]
        self._kind = type(jax.device_put(np.zeros(1, np.float32), self._device))
        on_cpu = self._device.platform == "cpu"
        self.info = DeviceInfo(
            backend=self.name,
            name=cpu_name() if on_cpu else self._device.device_kind,
            kind=_KINDS.get(self._device.platform, "accelerator"),  # type: ignore[arg-type]
            index=index,
            versions=_versions(on_cpu),
            modes={
                "default matmul precision": str(jax.config.jax_default_matmul_precision or "default"),
                "64-bit types": str(jax.config.jax_enable_x64),
                "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
            },
            notes=_notes(on_cpu),
        )
        if self._device.platform in ("cuda", "gpu") and "NVIDIA" in self._device.device_kind.upper():
            self._jax.device_put(0.0, self._device).block_until_ready()  # JAX makes its context when it is first used
            self.info = self.attach(self.info)
        return self.info

    def preload(self) -> None:
        """Import JAX, which starts no thread before it looks for devices."""
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax.numpy  # noqa: F401

    def put(self, array: np.ndarray) -> Any:
        """Copy to the device and wait for the copy: afterwards `array` may change without consequence.

        On a CPU, `device_put` takes suitably aligned NumPy memory over as it is, even with `may_alias=False`, so it is
        given a copy that nobody else holds.

        Raises:
            TypeError: JAX would have changed the dtype.
        """
        source = array.copy() if self._device.platform == "cpu" else array
        with self._precision([array.dtype.name]):
            result = self._jax.device_put(source, self._device).block_until_ready()
        if result.dtype != array.dtype:
            raise TypeError(f"jax turned {array.dtype} into {result.dtype}")
        return result

    def get(self, array: Any) -> np.ndarray:
        """Copy a `jax.Array` into a fresh, writable NumPy array.

        Raises:
            TypeError: `array` is not a `jax.Array`.
        """
        self._demand(array)
        return np.array(array)

    def alter(self, array: Any, positions: np.ndarray, values: np.ndarray) -> Any:
        """A new array: JAX's do not change."""
        with self._precision([array.dtype.name]):
            flat = array.reshape(-1).at[positions].set(values)
            return self._jax.device_put(flat.reshape(array.shape), self._device).block_until_ready()

    def duplicate(self, array: Any) -> Any:
        """A copy in a buffer of its own.

        Raises:
            TypeError: not one of XLA's arrays.
        """
        self._demand(array)
        with self._precision([array.dtype.name]):
            return self._jax.numpy.array(array, copy=True).block_until_ready()

    def refill(self, array: Any, source: Any, offset: int) -> Any:
        """A new array: JAX's do not change."""
        with self._precision([array.dtype.name]):
            part = self._jax.lax.dynamic_slice(source, (offset,), (array.size,))
            return part.reshape(array.shape).block_until_ready()

    def storage(self, array: Any) -> tuple[int, int]:
        """Where XLA keeps the array; waits for it.

        Raises:
            TypeError: not one of XLA's arrays.
        """
        self._demand(array)
        return array.unsafe_buffer_pointer(), array.nbytes

    def numerics_modes(self) -> dict[str, str]:
        """JAX's configuration of precision and types."""
        names = ("jax_default_matmul_precision", "jax_enable_x64", "jax_numpy_dtype_promotion", "jax_disable_jit")
        modes = {name: str(getattr(self._jax.config, name)) for name in names}
        return {**modes, "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}

    def _demand(self, array: Any) -> None:
        if type(array) is not self._kind:  # whatever merely looks like one could answer with other values each time
            raise TypeError(f"expected a jax.Array, got {type(array).__module__}.{type(array).__qualname__}")

    def supports(self, case: Case, function: Callable[..., Any]) -> Support:
        """As the base class; Pallas kernels are interpreted, hence emulated, where XLA has no compiler for them."""
        support = super().supports(case, function)
        pallas = (getattr(function, "__module__", None) or "").startswith("kparity_jax.pallas")
        if support.answer == "yes" and pallas and self._device.platform == "cpu":
            return Support("emulated", "Pallas' interpreter on the CPU")
        return support

    def compile(self, function: Callable[..., Any], arguments: Sequence[Any], case: Case) -> Callable[..., Any]:
        """Trace `function`, attributes bound as constants, and compile it for the arguments' shapes ahead of time.

        Raises:
            Exception: whatever tracing or XLA raises.
        """
        names = [info.dtype for info in (*case.inputs, *case.outputs)]
        with self._precision(names):
            bound = functools.partial(function, **case.attributes)
            compiled = self._jax.jit(bound).lower(*arguments).compile()
        if not set(names) & set(_WIDE):
            return compiled  # type: ignore[no-any-return]

        def run(*arrays: Any) -> Any:
            with self._precision(names):
                return compiled(*arrays)

        return run

    def wait(self, outputs: Sequence[Any]) -> None:
        """Block until XLA has computed every output."""
        self._jax.block_until_ready(outputs)

    def probes(self) -> Probes:
        """Jitted copy and product; on a CPU only float32 has a tuned product."""
        jnp = self._jax.numpy
        copy = self._jax.jit(lambda x: x + 1)
        tuned = ("float32",) if self._device.platform == "cpu" else ("float32", "float16", "bfloat16")
        product = self._jax.jit(functools.partial(jnp.matmul, precision=self._jax.lax.Precision.HIGHEST))
        return Probes(copy, copy, product, tuned)

    def _precision(self, names: Iterable[str]) -> contextlib.AbstractContextManager[Any]:
        if set(names) & set(_WIDE):
            return self._jax.enable_x64(True)  # type: ignore[no-any-return]
        return contextlib.nullcontext()


def _versions(on_cpu: bool) -> dict[str, str]:
    versions = {}
    for package in ("jax", "jaxlib", *(() if on_cpu else _PLUGINS)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    if not on_cpu:
        with contextlib.suppress(OSError):
            driver = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", Path("/proc/driver/nvidia/version").read_text())
            if driver:
                versions["driver"] = driver.group(1)
    return versions


def _notes(on_cpu: bool) -> tuple[str, ...]:
    if on_cpu and any(Path(path).exists() for path in ("/dev/nvidia0", "/proc/driver/nvidia")):
        return ("this machine has an NVIDIA GPU that jax does not see: pip install 'jax[cuda13]'",)
    return ()
