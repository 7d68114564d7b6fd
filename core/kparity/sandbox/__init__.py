"""Where kernels run: the engine that drives a backend, and the worker process around it."""
