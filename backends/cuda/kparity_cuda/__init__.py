"""CUDA C++ through CuPy on a GPU; without one, the same sources through a C++ compiler on the CPU.

A kernel is a `.cu` file and a host function that launches it:

    from kparity_cuda import Launcher, cuda_kernel

    @cuda_kernel("softmax.cu")
    def softmax(launch: Launcher, x, y):
        rows, cols = x.shape
        launch("softmax_rows<T, 4>", grid=(rows,), block=(256,), args=(x, y, cols))

See `kparity_cuda.kernel` for the whole convention.
"""

from kparity_cuda.kernel import CudaKernel, Launcher, cuda_kernel

__all__ = ["CudaKernel", "Launcher", "cuda_kernel"]
