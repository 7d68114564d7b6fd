"""Every kernel of this package, on every case of its task."""

import pytest


@pytest.mark.kparity(backends=["opencl"])
def test_kernel(kparity_evaluation):
    kparity_evaluation.check()
