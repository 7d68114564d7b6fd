import numpy as np

from kparity import Backend, DeviceInfo, hookimpl


class HostBackend(Backend):
    name = "host"
    put = get = staticmethod(np.ndarray.copy)  # a copy, and TypeError for what is no array

    def open(self, index=0):
        return DeviceInfo(backend=self.name, name="host memory", kind="cpu")


@hookimpl
def register_backends():
    return [HostBackend()]
