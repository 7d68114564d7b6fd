"""Device code to cubin through NVRTC. Needs no GPU: it tells anywhere whether a kernel compiles for an H100."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kparity_cuda.compilation import INCLUDE, CompileError, cache_folder, contents, digest, publish


@dataclass(frozen=True)
class Cubin:
    """Machine code for one architecture.

    Attributes:
        image: the cubin.
        names: mangled name by name expression.
    """

    image: bytes
    names: Mapping[str, str]


@functools.cache
def nvrtc() -> Any:
    """CuPy's binding of NVRTC.

    Raises:
        ImportError: CuPy is not installed, or NVRTC's library cannot be loaded.
    """
    from cupy.cuda import nvrtc as binding

    try:
        binding.getVersion()
    except Exception as error:  # CuPy loads the library on first use and raises what the loader raises
        raise ImportError(f"NVRTC cannot be loaded: {error}") from error
    return binding


@functools.cache
def include_folders() -> tuple[str, ...]:
    """Where the CUDA headers are: the toolkit that CuPy found, `CUDA_PATH`, the CUDA wheels, /usr/local/cuda."""
    from cupy import _environment

    roots = [_environment.get_cuda_path(), os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), *_wheels()]
    folders = [Path(root) / "include" for root in (*roots, "/usr/local/cuda") if root]
    folders = [folder for folder in folders if (folder / "cuda_fp16.h").is_file()]
    libraries = [folder / "cccl" for folder in folders if (folder / "cccl").is_dir()]  # cuda/std and CUB, since CUDA 13
    return tuple(dict.fromkeys(map(str, (*folders, *libraries))))


def _wheels() -> list[str]:
    import importlib.util

    spec = importlib.util.find_spec("nvidia")
    places = list(spec.submodule_search_locations or []) if spec else []
    return [str(root) for place in places for root in sorted(Path(place).glob("cu*"))]


def compile_cubin(
    source: str,
    options: Sequence[str] = (),
    name_expressions: Sequence[str] = (),
    arch: str = "sm_90",
    filename: str = "kernel.cu",
) -> Cubin:
    """Compile a translation unit, or take the result of an earlier process from the disk.

    Args:
        source: the whole text; it may include `kparity.cuh` and CUDA's headers.
        options: further options of NVRTC.
        name_expressions: the kernels and template instantiations to keep.
        arch: the architecture, e.g. `sm_90`.
        filename: of the `.cu` file, as `#line` directives in the source name it.

    Raises:
        ImportError: there is no NVRTC.
        CompileError: the compiler's first error.
    """
    binding = nvrtc()
    folders = (str(INCLUDE), *include_folders())
    everything = ("-std=c++17", f"-arch={arch}", *(f"-I{folder}" for folder in folders), *options)
    key = digest(str(binding.getVersion()), contents(INCLUDE.iterdir()), source, *everything, *name_expressions)
    file = cache_folder("cubin") / key
    if file.exists():
        names, _, image = file.read_bytes().partition(b"\n")
        return Cubin(image, json.loads(names))
    program = binding.createProgram(source, filename, (), ())
    try:
        for name in name_expressions:
            binding.addNameExpression(program, name)
        try:
            binding.compileProgram(program, everything)
        except binding.NVRTCError as error:
            log = binding.getProgramLog(program)
            if '"crt/mma.h"' in log:
                log += "\n(mma.h needs the headers of the wheel nvidia-cuda-crt, or a CUDA toolkit in CUDA_PATH)"
            raise CompileError("NVRTC", filename, log) from error
        cubin = Cubin(binding.getCUBIN(program), {n: binding.getLoweredName(program, n) for n in name_expressions})
    finally:
        binding.destroyProgram(program)
    publish(file, json.dumps(dict(cubin.names)).encode() + b"\n" + cubin.image)
    return cubin
