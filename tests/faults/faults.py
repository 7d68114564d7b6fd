"""Candidates that misbehave. Each begins like an honest one, does its worst inside the call, and stops by itself in the
end, so that a hole in the sandbox costs a test and not the machine.

`JUDGE` is the judge's process id, `PORT` a port that it listens on, `OUTSIDE` a folder that anybody may write to.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from kparity import Limits


class Fault(NamedTuple):
    """What a candidate does in its call, and what must come of it."""

    body: str
    message: str
    status: str = "error"
    limits: Limits = Limits()
    timeout_s: float = 30.0


def source(
    body: str, signature: str = "scale(x, factor)", answer: str = "x * x.dtype.type(factor)", **names: object
) -> str:
    """A candidate that does `body` and then answers honestly; by default one for `toy/scale`."""
    constants = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return (
        "import ctypes, os, signal, socket, sys, threading, time\nimport numpy as np\n"
        f"{constants}\ndef {signature}:\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        f"    return {answer}\n"
    )


MIB = 1 << 20
DYING = {
    "segmentation fault": Fault("ctypes.string_at(0)", "the worker died: SIGSEGV"),
    "abort": Fault("os.abort()", "the worker died: SIGABRT"),
    "exit without a word": Fault("os._exit(0)", "the worker died: exit status 0"),
    "SystemExit": Fault("sys.exit(3)", "the worker died: exit status 3"),
    "illegal instruction": Fault("signal.raise_signal(signal.SIGILL)", "the worker died: SIGILL"),
    "kill itself": Fault("os.kill(os.getpid(), signal.SIGKILL)", "the worker died: SIGKILL"),
    "kill its group": Fault("os.killpg(0, signal.SIGKILL)", "the worker died: SIGKILL"),
    "kill everything": Fault("os.kill(-1, signal.SIGKILL)", "ProcessLookupError"),
    "stack overflow": Fault(
        """
        def deeper(n):
            return sorted([n], key=lambda _: deeper(n + 1))
        sys.setrecursionlimit(10**8)
        deeper(0)
        """,
        "the worker died: SIGSEGV|MemoryError",
    ),
    "endless loop": Fault("while True: pass", "no answer within 2 s", timeout_s=2),
    "endless loop without the interpreter": Fault("ctypes.CDLL(None).pause()", "no answer within 2 s", timeout_s=2),
    "deaf to signals": Fault(
        """
        for number in range(1, 32):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_IGN)
        time.sleep(60)
        """,
        "no answer within 2 s",
        timeout_s=2,
    ),
    "stopped": Fault("os.kill(os.getpid(), signal.SIGSTOP)", "no answer within 2 s", timeout_s=2),
}

EXHAUSTING = {
    "out of memory": Fault(
        """
        hoard = []
        for _ in range(200):
            hoard.append(bytearray(16 << 20))
        """,
        "MemoryError",
        limits=Limits(memory_bytes=512 * MIB),
    ),
    "fork bomb": Fault(
        """
        started = 0
        try:
            for _ in range(300):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                started += 1
        finally:
            raise RuntimeError(f"{'contained' if started < 40 else 'escaped'} after {started}")
        """,
        "RuntimeError: contained after",
        limits=Limits(processes=40),
    ),
    "thread bomb": Fault(
        """
        for _ in range(300):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """,
        r"RuntimeError: can't start new thread \(<candidate>",
        limits=Limits(processes=40),
    ),
    "disk filler, one file": Fault(
        """
        with open(os.path.join(os.environ["TMPDIR"], "large"), "wb") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
        """,
        "File too large",
        limits=Limits(file_bytes=8 * MIB),
    ),
    "disk filler, many files": Fault(
        """
        for number in range(100):
            with open(os.path.join(os.environ["HOME"], str(number)), "wb") as file:
                file.write(bytes(1 << 20))
        """,
        "No space left on device",
        limits=Limits(folder_bytes=16 * MIB),
    ),
    "too many files": Fault(
        "hoard = [open(os.devnull) for _ in range(500)]",
        "Too many open files",
        limits=Limits(open_files=128),
    ),
    "flood of output": Fault(
        """
        for _ in range(1000):
            os.write(1, b"x" * (1 << 16))
        raise RuntimeError("dry")
        """,
        "RuntimeError: dry",
    ),
    "endless output": Fault("while True: os.write(2, b'y' * 4096)", "no answer within 2 s", timeout_s=2),
    "enormous output array": Fault(
        "return np.broadcast_to(x, ((1 << 28) // x.nbytes, *x.shape)).copy()",
        "returned far more than is declared",
        limits=Limits(memory_bytes=4096 * MIB),
    ),
}

REPLIES = (  # the descriptor that the worker answers on, among others as a driver opens them
    "import traceback; others = os.pipe(); "
    "frames = [frame.f_locals for frame, _ in traceback.walk_stack(sys._getframe())]; "
    "replies = next(names['replies'] for names in frames if 'replies' in names)"
)
SPEAKING = {
    "closes its pipes": Fault("os.closerange(3, 256)\ntime.sleep(1)", "the worker died"),
    "writes into every descriptor": Fault(
        """
        for descriptor in range(256):
            try:
                os.write(descriptor, b"PASS" * 100)
            except OSError:
                pass
        """,
        "breaks the protocol|broke the protocol",
    ),
    "half a message, then gone": Fault(
        f"{REPLIES}\nos.write(replies, (100).to_bytes(8, 'big') + b'half')\nos.kill(os.getpid(), signal.SIGKILL)",
        "the worker died: SIGKILL",
    ),
    "half a message, then silence": Fault(
        f"{REPLIES}\nos.write(replies, (100).to_bytes(8, 'big') + b'half')\ntime.sleep(60)",
        "no answer within 2 s",
        timeout_s=2,
    ),
    "a message a byte at a time": Fault(
        f"""
        {REPLIES}
        for byte in (1 << 20).to_bytes(8, 'big') + bytes(1000):
            os.write(replies, bytes([byte]))
            time.sleep(0.05)
        """,
        "no answer within 2 s",
        timeout_s=2,
    ),
    "an enormous message": Fault(
        f"{REPLIES}\nos.write(replies, (1 << 40).to_bytes(8, 'big'))",
        "a message of 1099511627776 bytes breaks the protocol",
    ),
    "nested beyond reason": Fault(
        f"{REPLIES}\nos.write(replies, (50000).to_bytes(8, 'big') + b'\\x91' * 50000)", "broke the protocol"
    ),
    "text that is none": Fault(
        f"{REPLIES}\nos.write(replies, (8).to_bytes(8, 'big') + b'\\x81\\xa2\\xff\\xfe\\xa2\\xff\\xfe\\x00')",
        "broke the protocol",
    ),
}

REACHING = {
    "kills its parents": Fault(
        """
        for process in (1, os.getppid(), JUDGE):
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                pass
        raise RuntimeError("they live")
        """,
        "they live",
    ),
    "traces its parent": Fault(
        """
        libc = ctypes.CDLL(None, use_errno=True)
        results = [libc.ptrace(16, process, None, None) for process in (os.getppid(), 1, JUDGE)]
        raise RuntimeError(f"traced {results}")
        """,
        r"traced \[-1, -1, -1\]",
    ),
    "reads the judge's memory": Fault("open(f'/proc/{JUDGE}/mem', 'rb').read(1)", "FileNotFoundError|PermissionError"),
    "lists processes": Fault(
        "raise RuntimeError(f\"{sorted(int(one) for one in os.listdir('/proc') if one.isdigit())}\")",
        r"RuntimeError: \[1, 2\]",
    ),
    "calls the judge": Fault(
        "socket.create_connection(('127.0.0.1', PORT), timeout=5)",
        "(PermissionError|ConnectionRefusedError|unreachable).*<candidate>",
    ),
    "writes where anybody may": Fault(
        "open(os.path.join(OUTSIDE, 'mark'), 'w')", "Read-only file system|PermissionError"
    ),
    "changes its interpreter": Fault("open(os.__file__, 'a')", "Read-only file system|PermissionError"),
    "becomes root": Fault("os.setuid(0)", "PermissionError"),
    "mounts": Fault(
        """
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(0x20000)
        raise RuntimeError(f"mounted {libc.mount(b'none', b'/', None, 0x4000 | 0x40000, None)}")
        """,
        "mounted -1",
    ),
    "reads the judge's secrets": Fault(
        """
        seen = repr(os.environ) + open("/proc/self/environ").read()
        raise RuntimeError("leaked" if "hunter2" in seen else "sealed")
        """,
        "sealed",
    ),
}

ALL = {**DYING, **EXHAUSTING, **SPEAKING, **REACHING}

NEEDS = {
    "kill everything": "process_namespace",
    "stopped": "process_namespace",
    "fork bomb": "processes",
    "thread bomb": "processes",
    "disk filler, many files": "folder_size",
    "kills its parents": "process_namespace",
    "lists processes": "process_view",
    "calls the judge": "network",
    "becomes root": "user",
    "reads the judge's memory": "user",
    "traces its parent": "user",
}
"""Protections that a fault must not be tried without."""

# What needs a GPU: backend, source for `activation/softmax`, message, patience in seconds.

CUPY = "import cupy\n"
ENDLESS = """
endless = cupy.RawKernel(r'''
extern "C" __global__ void endless(volatile float* y) { while (y[0] == y[0]) y[0] = y[0] + 0.0f; }
''', "endless")
def softmax(x):
    y = cupy.zeros_like(x)
    endless((1,), (1,), (y,))
    return y
"""
WILD = """
wild = cupy.RawKernel(r'''
extern "C" __global__ void wild(float* y) { ((float*)16)[threadIdx.x] = 1.0f; }
''', "wild")
def softmax(x):
    y = cupy.zeros_like(x)
    wild((1,), (32,), (y,))
    cupy.cuda.Device().synchronize()
    return y
"""
TRAP = WILD.replace("((float*)16)[threadIdx.x] = 1.0f;", "__trap();")
ON_DEVICE = {
    "endless kernel": ("cuda", CUPY + ENDLESS, r"no answer within 15 s", 15.0),
    "illegal address": ("cuda", CUPY + WILD, r"[Ii]llegal|cudaError", 60.0),
    "trap": ("cuda", CUPY + TRAP, r"cudaError|launch|trap|illegal", 60.0),
    "out of memory, CuPy": ("cuda", CUPY + "def softmax(x):\n    return cupy.empty(1 << 42)\n", r"[Mm]emory", 60.0),
    "out of memory, torch": (
        "torch",
        "import torch\ndef softmax(x):\n    return torch.empty(1 << 42, device='cuda')\n",
        r"[Mm]emory",
        60.0,
    ),
    "out of memory, JAX": (
        "jax",
        "import jax, jax.numpy as jnp\n"
        "def softmax(x):\n"
        "    with jax.ensure_compile_time_eval():\n"  # at once: of a traced array, XLA computes what is asked for only
        "        large = jnp.ones((1 << 20, 1 << 18)).block_until_ready()\n"
        "    return x + large[0, 0]\n",
        r"RESOURCE_EXHAUSTED|[Mm]emory",
        60.0,
    ),
}
HONEST = {
    "cuda": CUPY
    + "def softmax(x):\n    e = cupy.exp(x - x.max(-1, keepdims=True))\n    return e / e.sum(-1, keepdims=True)\n",
    "torch": "import torch\ndef softmax(x):\n    return torch.softmax(x, -1)\n",
    "jax": "import jax\ndef softmax(x):\n    return jax.nn.softmax(x, -1)\n",
}
