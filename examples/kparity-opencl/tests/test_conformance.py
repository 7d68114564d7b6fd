"""Every promise of the backend contract; what cannot be checked is skipped, with the reason."""

from kparity.testing import BackendConformance

from kparity_opencl.backend import OpenCLBackend


class TestOpenCLBackend(BackendConformance):
    backend = OpenCLBackend
