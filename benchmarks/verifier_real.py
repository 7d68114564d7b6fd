"""The real kernels of `verifier.py --real`: what the backends have, and candidates written as source text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kparity import Session, Unavailable
from kparity.hunting import hunting_cases
from kparity.problem import Problem
from kparity.sandbox.host import InlineRunner

SPLIT_K = """
import torch
import triton
import triton.language as tl

@triton.jit
def _split(a, b, c, m, n, k, BLOCK: tl.constexpr, DEPTH: tl.constexpr, PARTS: tl.constexpr):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)[:, None]
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)[None, :]
    acc = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(tl.program_id(2) * DEPTH, k, PARTS * DEPTH):
        across = start + tl.arange(0, DEPTH)[None, :]
        down = start + tl.arange(0, DEPTH)[:, None]
        left = tl.load(a + row * k + across, mask=(row < m) & (across < k), other=0.0).to(tl.float32)
        right = tl.load(b + down * n + col, mask=(down < k) & (col < n), other=0.0).to(tl.float32)
        acc = tl.dot(left, right, acc, input_precision="ieee")
    tl.atomic_add(c + row * n + col, acc, mask=(row < m) & (col < n))

def matmul(a, b):
    (m, k), n = a.shape, b.shape[1]
    c = torch.zeros((m, n), dtype=torch.float32, device=a.device)
    _split[(triton.cdiv(m, 64), triton.cdiv(n, 64), 8)](a, b, c, m, n, k, 64, 32, 8)
    return c.to(a.dtype)
"""

DROPS_TAIL = """
import torch
import triton
import triton.language as tl

@triton.jit
def _rows(x, y, cols, BLOCK: tl.constexpr):
    col = tl.arange(0, BLOCK)
    place = tl.program_id(0).to(tl.int64) * cols + col
    values = tl.load(x + place, mask=col < cols, other=-float("inf")).to(tl.float32)
    e = tl.exp(values - tl.max(values, 0))
    total = tl.sum(tl.where(col < tl.maximum(cols - 1, 1), e, 0.0), 0)
    tl.store(y + place, (e / total).to(y.dtype.element_ty), mask=col < cols)

def softmax(x):
    y = torch.empty_like(x)
    _rows[(x.shape[0],)](x, y, x.shape[1], triton.next_power_of_2(x.shape[1]))
    return y
"""

CONV_TF32 = """
import torch

def conv2d(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    torch.backends.cudnn.allow_tf32 = True
    return torch.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)
"""

MATMUL_TF32 = """
import torch

def matmul(a, b):
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return a @ b
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
"""

ONE_PASS = """
import torch

def layer_norm(x, weight, bias, eps=1e-5):
    wide = x.float()
    mean = wide.mean(-1, keepdim=True)
    variance = ((wide * wide).mean(-1, keepdim=True) - mean * mean).clamp_min(0)
    return ((wide - mean) * torch.rsqrt(variance + eps) * weight.float() + bias.float()).to(x.dtype)
"""

TAIL_OF_SUM = """
import torch

def logsumexp(x):
    whole = max(x.shape[1] // 32 * 32, 1)
    return torch.logsumexp(x[:, :whole].float(), -1).to(x.dtype)
"""


class Kernel(NamedTuple):
    """A kernel to be judged.

    Attributes:
        honest: whether it is right.
        dtypes: those that it is for; empty for all.
        gpu: only with hardware that does what it is about.
    """

    name: str
    task: str
    backend: str
    honest: bool
    target: str = ""
    source: str = ""
    dtypes: tuple[str, ...] = ()
    gpu: bool = False


WRITTEN = (
    Kernel("split-K with atomics", "matmul/matmul", "triton", True, source=SPLIT_K),
    Kernel("TF32 convolution", "convolution/conv2d", "torch", True, source=CONV_TF32, dtypes=("float32",), gpu=True),
    Kernel(
        "TF32 against the contract", "matmul/matmul", "torch", False, source=MATMUL_TF32, dtypes=("float32",), gpu=True
    ),
    Kernel("drops its tail", "activation/softmax", "triton", False, source=DROPS_TAIL),
    Kernel("variance in one pass", "normalization/layer_norm", "torch", False, source=ONE_PASS),
    Kernel("sums whole blocks only", "reduce/logsumexp", "torch", False, source=TAIL_OF_SUM),
)


def measure_real(
    work: list[tuple[str, str, int, int]], judges: dict[str, Callable[..., str]], budget: float
) -> list[dict[str, Any]]:
    """One row for each task, dtype and judge; draws go round until the budget in seconds is spent.

    The written kernels come first, each on all draws. What a device does not support is not counted.
    """
    started = time.perf_counter()
    catalogue = Session().catalogue
    runners: dict[str, InlineRunner] = {}
    kinds: dict[str, str] = {}
    for name in catalogue.backends:
        runner = InlineRunner(catalogue.backend(name))
        try:
            kinds[name] = runner.open(0).kind
            runners[name] = runner
        except Unavailable as error:
            print(f"{name}: {error}", file=sys.stderr)
    fates: dict[tuple[str, str], dict[tuple[str, bool], dict[str, str]]] = {}
    draws: dict[tuple[str, str], int] = {}
    passes = [(_written(one, kinds), one) for one in work] + [(_registered(catalogue, one, kinds), one) for one in work]
    waiting = [
        (kernels, task, dtype, seed, _draws(catalogue.task(task), dtype, seed, largest))
        for kernels, (task, dtype, seed, largest) in passes
        if kernels
    ]
    while waiting and time.perf_counter() - started < budget:
        item = waiting.pop(0)
        kernels, task, dtype, seed, cases = item
        case = next(cases, None)
        if case is None:
            continue
        problem = Problem.pose(catalogue.task(task), case, seed)
        draws[task, dtype] = draws.get((task, dtype), 0) + 1
        for kernel in kernels:
            if time.perf_counter() - started > budget:
                break
            refusals = fates.setdefault((task, dtype), {}).setdefault((kernel.name, kernel.honest), {})
            _try(runners[kernel.backend], kernel, problem, judges, refusals)
        waiting.insert(0 if kernels[0].source else len(waiting), item)
    return [_row(key, draws[key], found, judge) for key, found in fates.items() for judge in judges]


def _draws(spec: Any, dtype: str, seed: int, largest: int) -> Iterator[Any]:
    declared = [case for case in spec.cases(roles=["edge", "typical"], dtypes=[dtype]) if case.elements <= largest]
    hunted = list(hunting_cases(spec, seed, dtypes=[dtype]))
    yield from sorted((*declared, *hunted), key=lambda case: (case.elements < 64, case.elements))


def _written(work: tuple[str, str, int, int], kinds: dict[str, str]) -> list[Kernel]:
    task, dtype = work[:2]
    mine = [one for one in WRITTEN if one.task == task and one.backend in kinds]
    mine = [one for one in mine if not one.dtypes or dtype in one.dtypes]
    return [one for one in mine if not one.gpu or kinds[one.backend] == "gpu"]


def _registered(catalogue: Any, work: tuple[str, str, int, int], kinds: dict[str, str]) -> list[Kernel]:
    found = [one for backend in kinds for one in catalogue.implementations(work[0], backend) if not one.costly]
    return [Kernel(one.label, one.task, one.backend, True, target=one.target) for one in found]


def _try(
    runner: InlineRunner,
    kernel: Kernel,
    problem: Problem,
    judges: dict[str, Callable[..., str]],
    refusals: dict[str, str],
) -> None:
    """Judge one kernel on one problem; `refusals` takes each judge's first, and an empty text where it was judged."""
    try:
        runner.load(target=kernel.target, source=kernel.source, entry_point=problem.spec.entry_point)
        if runner.supports(problem.case).answer == "no":
            return
        outputs = runner.execute(problem.case, problem.inputs).outputs
    except Exception as error:
        for name in judges:
            refusals[name] = refusals.get(name) or f"{problem.case.key}: {type(error).__name__}: {error}"
        return
    for name, look in judges.items():
        if not refusals.get(name):
            why = look(problem, outputs)
            refusals[name] = f"{problem.case.key}: {why}" if why else ""


def _row(key: tuple[str, str], draws: int, found: dict[tuple[str, bool], dict[str, str]], judge: str) -> dict[str, Any]:
    right = {name: why[judge] for (name, honest), why in found.items() if honest and judge in why}
    wrong = {name: why[judge] for (name, honest), why in found.items() if not honest and judge in why}
    return {
        "task": key[0],
        "dtype": key[1],
        "judge": judge,
        "draws": draws,
        "killed": sum(bool(why) for why in wrong.values()),
        "mutants": len(wrong),
        "accepted": sum(not why for why in right.values()),
        "honest": len(right),
        "survivors": [name for name, why in wrong.items() if not why],
        "refused": [name for name, why in right.items() if why],
        "why": {name: why for name, why in {**right, **wrong}.items() if why and judge == "kparity"},
    }
