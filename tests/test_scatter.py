"""The kernel that overwrites single elements: what it says can be assembled, on machines without a GPU too."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from kparity_cuda.scatter import PTX

PTXAS = shutil.which("ptxas")


@pytest.mark.skipif(PTXAS is None, reason="needs ptxas, of the CUDA toolkit")
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_the_kernels_assemble(tmp_path, architecture):
    source = tmp_path / "scatter.ptx"
    source.write_text(PTX)
    done = subprocess.run(
        [PTXAS, f"-arch={architecture}", "-v", source, "-o", tmp_path / "scatter.cubin"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(f"kparity_scatter_{size}" in done.stderr for size in (1, 2, 4, 8))
