"""The red team's corpus: candidates that must not pass and candidates that must, read from files with a header.

A file's first lines are comments, `# key: value` (`//` in a `.cu` file):

    class      rows of the list of attacks that it stands for, e.g. `S17 T05`; `X..` where the list has no such row
    backends   where it is tried
    task       what it pretends to compute; `activation/softmax` where it is not said
    expected   statuses that are right, e.g. `failed`, or `error failed`
    detector   name of the check that must have failed, `process` for a worker that died; nothing where any may
    options    `policy=hand-written`, `gpu` for what needs a GPU, `untimed` for what a first call gives away
    prelude    `yes` puts PRELUDES[backend] before it: `honest(x)`, an honest softmax, `xp`, and makers of
               arrays on the device of another: `empty(x)`, `zeros(x, shape)`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kparity import DeviceInfo, Evaluation, Options, Outcome, Session, TimingPolicy
from kparity.errors import KparityError

HERE = Path(__file__).parent
TIMING = TimingPolicy(budget_s=0.03, minimum=6, maximum=60, warmup=2, target=0.05)

PRELUDES = {
    "cpu_ref": """
import numpy as xp
def honest(x):
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)
def mutable(x): return x
def pointer(x): return x.ctypes.data
def empty(x): return xp.empty_like(x)
def zeros(x, shape): return xp.zeros(shape, x.dtype)
""",
    "torch": """
import torch as xp
def honest(x):
    e = xp.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)
def pointer(x): return x.data_ptr()
def empty(x): return xp.empty_like(x)
def zeros(x, shape): return x.new_zeros(shape)
""",
    "triton": """
import torch as xp
import triton
import triton.language as tl
@triton.jit
def _rows(x, y, cols, BLOCK: tl.constexpr):
    at = tl.program_id(0) * cols + tl.arange(0, BLOCK)
    inside = tl.arange(0, BLOCK) < cols
    v = tl.load(x + at, mask=inside, other=float("-inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + at, e / tl.sum(e, axis=0), mask=inside)
def honest(x):
    y = xp.empty_like(x)
    _rows[(x.shape[0],)](x, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
    return y
def pointer(x): return x.data_ptr()
def empty(x): return xp.empty_like(x)
def zeros(x, shape): return x.new_zeros(shape)
""",
    "jax": """
import jax
import jax.numpy as xp
def honest(x):
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)
""",
}


@dataclass(frozen=True)
class Candidate:
    """One file on one backend."""

    path: Path
    backend: str
    header: dict[str, str] = field(hash=False)

    @property
    def name(self) -> str:
        """`file-backend`."""
        return f"{self.path.stem}-{self.backend}"

    @property
    def rows(self) -> list[str]:
        """Rows of the list of attacks."""
        return self.header.get("class", "").split()

    @property
    def expected(self) -> set[str]:
        """Statuses that are right."""
        return set(self.header["expected"].split())

    @property
    def detector(self) -> set[str]:
        """Names of checks of which one must have failed; empty where any may."""
        named = set(self.header.get("detector", "").split())
        return named | {"determinism"} if "repeated" in named else named  # it repeats too, on the same inputs

    @property
    def options(self) -> set[str]:
        """Words of the header's options."""
        return set(self.header.get("options", "").split())

    @property
    def source(self) -> str:
        """What is handed in."""
        text = self.path.read_text()
        return PRELUDES[self.backend] + text if self.header.get("prelude") == "yes" else text

    def missing(self, device: DeviceInfo | None) -> str:
        """Why it cannot be tried on that device; empty where it can."""
        if device is None:
            return f"{self.backend} cannot be opened here"
        if "gpu" in self.options and device.kind != "gpu":
            return "needs a GPU"
        if "cpu" in self.options and device.kind == "gpu":
            return "is about CPUs"
        if "timed" in self.options and device.kind == "interpreter":
            return "shows only where times are taken"
        return ""

    def evaluate(self, session: Session) -> Outcome:
        """Hand it in as anybody would."""
        task = self.header.get("task", "activation/softmax")
        policy = "hand-written" if "policy=hand-written" in self.options else "any"
        options = Options(timing=None if "untimed" in self.options else TIMING, timeout_s=20.0, policy=policy)
        pattern = self.header.get("case", "*cols=1023*" if "untimed" in self.options else _CASES.get(task, "*"))
        return session.evaluate(task, self.backend, self.source, dtypes=["float32"], cases=[pattern], options=options)

    def judge(self, outcome: Outcome) -> str:
        """What is wrong with how it was judged; empty where nothing is."""
        if outcome.status not in self.expected:
            return f"{outcome.status}, expected {' or '.join(sorted(self.expected))}: {outcome.message}"
        seen = {check.name for one in outcome.evaluations for check in one.verdict.checks if check.status != "passed"}
        if outcome.status == "error":
            seen.add("process")
        if self.detector and not seen & self.detector:
            return f"caught by {sorted(seen)}, expected {sorted(self.detector)}: {outcome.message}"
        if outcome.status == "passed" and "timed" in self.options and not any(map(_timed, outcome.evaluations)):
            return "no times were taken"
        return ""


_CASES = {
    "activation/softmax": "rows=128,*",
    "math/cumsum": "rows=128,*",
    "matmul/matmul": "m=256,*",
    "normalization/layer_norm": "rows=64,*",
    "broadcast/add_bias": "rows=64,*",
}


def corpus(kind: str) -> list[Candidate]:
    """All `cheats` or `honest` candidates, by name."""
    return sorted(_read(HERE / kind), key=lambda one: one.name)


def try_one(session: Session, candidate: Candidate) -> tuple[str, str]:
    """Status, and what is wrong with it."""
    try:
        outcome = candidate.evaluate(session)
    except KparityError as error:
        return "error", f"{type(error).__name__}: {error}"
    return outcome.status, candidate.judge(outcome)


def _timed(evaluation: Evaluation) -> bool:
    return bool(evaluation.measurements)


def _read(folder: Path) -> Iterator[Candidate]:
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".py", ".cu"):
            continue
        header = dict(re.findall(r"^(?:#|//) (\w+): (.+)$", path.read_text().partition("\n\n")[0], re.M))
        for backend in header["backends"].split():
            yield Candidate(path, backend, header)
