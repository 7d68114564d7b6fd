"""The conformance worker: `python -m kparity.conformance.worker REQUESTS REPLIES`, two inherited descriptors.

It opens the backend, then examines one promise for each name that it is sent, until the pipe closes. A backend that
takes its process with it takes this one; see `kparity.conformance.certify`.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection

import msgspec

from kparity.backend import DeviceInfo
from kparity.errors import Unavailable
from kparity.loading import Implementation, resolve


class Job(msgspec.Struct, frozen=True):
    """What to examine.

    Attributes:
        target: the backend's class, `"package.module:attribute"`.
        index: of the device.
        kernels: where the task's spec lies, and an implementation of it.
    """

    target: str
    index: int = 0
    kernels: tuple[tuple[str, Implementation], ...] = ()


class Opened(msgspec.Struct, frozen=True, omit_defaults=True):
    """How opening went: a device, or why there is none.

    Attributes:
        device: None where it does not open.
        reason, remedy: of the `Unavailable`.
        absent: the backend itself said Unavailable; else it failed in some other way.
    """

    device: DeviceInfo | None = None
    reason: str = ""
    remedy: str = ""
    absent: bool = False


class Setup(msgspec.Struct, frozen=True):
    """The first message: the judge's import path, and the job."""

    path: list[str]
    job: Job


def main() -> None:
    """Serve until the judge closes the pipe."""
    requests, replies = Connection(int(sys.argv[1]), writable=False), Connection(int(sys.argv[2]), readable=False)
    for pipe in (requests, replies):
        os.set_inheritable(pipe.fileno(), False)
    setup = msgspec.json.decode(requests.recv_bytes(), type=Setup)
    sys.path[:] = setup.path
    from kparity.conformance.kernels import Kernel
    from kparity.conformance.suite import PROMISES, examine
    from kparity.conformance.workbench import Workbench

    try:
        bench = Workbench(resolve(setup.job.target)(), setup.job.index)
        opened = Opened(bench.open())
    except Unavailable as error:
        opened = Opened(None, error.reason, error.remedy, absent=True)
    except Exception as error:
        opened = Opened(None, f"open raised {type(error).__name__}, not Unavailable: {error}")
    replies.send_bytes(msgspec.json.encode(opened))
    if opened.device is None:
        return
    bench.kernels = [Kernel(resolve(spec), one) for spec, one in setup.job.kernels]
    while True:
        try:
            name = requests.recv_bytes().decode()
        except EOFError:
            return
        replies.send_bytes(msgspec.json.encode(examine(PROMISES[name], bench)))


if __name__ == "__main__":
    main()
