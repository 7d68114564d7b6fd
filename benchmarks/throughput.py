"""How many untrusted candidates are evaluated in a minute, and where the time of one goes.

    python benchmarks/throughput.py --out benchmarks/results/NAME            # every backend that this machine has
    python benchmarks/throughput.py --check --from auto                      # check the newest committed results

The candidate is a correct softmax; the case 1024 x 4096 in float32, five draws of inputs and short timing; isolated: a
confined worker for each candidate. Asked of each backend, `--seconds` for each question, interpreters aside:

* a minute: candidates through `kparity.Evaluator`, as many at a time as there are cores; goal on a GPU: at least 120
  for triton and cuda, 60 for jax. Counted are at least two for each that is at work at a time.
* breakdown of one, alone: fork and confinement, device context, compilation, the calls themselves, transfer and
  detectors in the worker, verification by the judge, opening the clock, times.
* beside others, of a GPU: the median device time of the candidates of the first question over that of one alone, since
  timings take turns there but compiling, copying and verifying others goes on; goal: within 5 %.
* fresh: seconds of the same evaluation in a fresh interpreter.
* isolation, of cpu_ref: what a worker costs beside the same in this process, see `isolation.py`; goal: at most 60 ms.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import isolation
from breakdown import STAGES, breakdown, device_s
from committed import earlier, read
from isolation import SHAPE, SOURCES, TASK

from kparity import Cascade, DeviceInfo, Evaluator, KparityError, Options, Session, cpu_name

NAME = "throughput.json"
CASCADE = Cascade(draws=5, timing="short", hunt=False)
GOALS = {"triton": 120.0, "cuda": 120.0, "jax": 60.0}
ISOLATION_GOAL_MS = 60.0
BESIDE_GOAL = 0.05
PATIENCE = 6
"""Times the seconds of a question that may be spent until enough candidates are counted."""


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help=f"folder for {NAME}")
    parser.add_argument("--backend", action="append", choices=list(SOURCES), help="only this one; may be repeated")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement (default %(default)s)")
    parser.add_argument("--fresh", type=int, default=2, help="at most so many fresh interpreters (default %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="at a time; one for each core by default")
    parser.add_argument("--keep", action="store_true", help="keep what the folder holds of other backends")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a folder, or 'auto'")
    parser.add_argument("--once", metavar="BACKEND", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        _once(arguments.once)
        return
    if arguments.source:
        results = read(arguments.source, NAME)
    else:
        kept = earlier(arguments.out, NAME, arguments.keep).get("backends", {})
        results = measure(
            arguments.backend or list(SOURCES),
            arguments.seconds,
            arguments.fresh,
            arguments.workers,
            arguments.out,
            kept,
        )
    missed = show(results)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def measure(
    backends: list[str], seconds: float, fresh: int, workers: int, out: Path | None, kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Everything on this machine, beside what is kept; written after each answer, so that an interruption loses one."""
    results: dict[str, Any] = {"cpu": cpu_name(), "cores": os.cpu_count(), "backends": dict(kept or {})}
    started = time.perf_counter()
    with Session() as session:
        for name in backends:
            device = session.devices([name])[name]
            if not isinstance(device, DeviceInfo) or device.kind == "interpreter":
                print(f"{name}: {device if not isinstance(device, DeviceInfo) else 'an interpreter'}", file=sys.stderr)
                continue
            found = results["backends"][name] = {"device": device.name, "kind": device.kind}
            questions = [
                functools.partial(breakdown, session, name, SHAPE, CASCADE, seconds),
                functools.partial(_minute, session, name, seconds, workers),
                functools.partial(_fresh, name, seconds, fresh),
            ]
            if name == "cpu_ref":
                questions.insert(0, functools.partial(_isolation, session, name, seconds))
            for question in questions:
                try:
                    answer = question()
                except (KparityError, OSError, subprocess.SubprocessError) as error:  # the others may do better
                    print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                    continue
                print(f"{name}: {json.dumps(answer)}", file=sys.stderr, flush=True)
                found |= answer
                results["seconds"] = time.perf_counter() - started
                if out is not None:
                    out.mkdir(parents=True, exist_ok=True)
                    (out / NAME).write_text(json.dumps(results, indent=1) + "\n")
    return results


def show(results: dict[str, Any]) -> list[str]:
    """Print the table; returns the goals that were missed."""
    print(f"softmax 1024 x 4096 float32, 5 draws and times; {results['cpu']}, {results['cores']} cores")
    print(
        f"{'backend':9}{'device':28}{'a minute':>9}{'one ms':>8}" + "".join(f"{stage:>9}" for stage in STAGES), end=""
    )
    print(f"{'isolation':>11}{'fresh ms':>10}{'beside':>8}")
    missed = []
    for name, one in results["backends"].items():
        stages = one.get("stages_s", {})
        spent = "".join(f"{_ms(stages.get(stage)):>9}" for stage in STAGES)
        cost = one["isolation"]["candidate"]["cost_ms"] if "isolation" in one else None
        rate = one.get("a_minute")
        print(
            f"{name:9}{one['device'][:27]:28}{'-' if rate is None else format(rate, '.0f'):>9}"
            f"{_ms(one.get('one_s')):>8}{spent}{'-' if cost is None else format(cost, '.0f'):>11}"
            f"{_ms(one.get('fresh_s')):>10}{'-' if _beside(one) is None else format(_beside(one), '.3f'):>8}"
        )
        if "fresh_s" not in one or "one_s" not in one or rate is None:
            missed.append(f"{name}: measured in part only")
        if one.get("failed"):
            missed.append(f"{name}: {one['failed']} of {one['candidates']} candidates did not pass")
        if one["kind"] == "gpu" and (rate or 0) < GOALS.get(name, 0):
            missed.append(f"{name}: {rate or 0:.0f} a minute, {GOALS[name]:.0f} wanted")
        beside = _beside(one)
        if one["kind"] == "gpu" and beside is not None and abs(beside - 1) > BESIDE_GOAL:
            missed.append(f"{name}: device times beside others are {beside:.3f} of those alone")
        if name == "cpu_ref" and cost is not None and cost > ISOLATION_GOAL_MS:
            missed.append(f"cpu_ref: isolation costs {cost:.0f} ms, {ISOLATION_GOAL_MS:.0f} allowed")
    if not results["backends"]:
        missed.append("nothing was evaluated")
    print(f"measured in {results.get('seconds', 0.0):.0f} s")
    print("all goals met" if not missed else "missed: " + "; ".join(missed))
    return missed


def _isolation(session: Session, name: str, seconds: float) -> dict[str, Any]:
    """Not asked of GPUs, whose context this process would have to open for the comparison."""
    return {"isolation": isolation.cost(session, name, seconds)}


def _minute(session: Session, name: str, seconds: float, workers: int) -> dict[str, Any]:
    """Candidates a minute in steady state: from the moment at which every worker has finished its first.

    Two more than there are workers wait at any time; what has not begun at the end is given up. Workers that began at
    the same time go on in step for a while: at least two candidates of each are counted, while patience lasts.
    """
    ended: list[float] = []
    times: list[float] = []
    wrong = 0
    evaluator = Evaluator(session, backends=[name], workers=workers, warm=2, cascade=CASCADE)
    try:
        waiting = deque(_submit(evaluator, name, number) for number in range(evaluator.workers + 2))
        filling = evaluator.workers
        while waiting:
            outcome = waiting.popleft().result()
            ended.append(time.perf_counter())
            if not outcome.passed:
                wrong += 1
                print(f"{name}: {outcome.status}: {outcome.message}", file=sys.stderr)
            times += device_s(outcome.evaluations)
            counted, spent = len(ended) - filling, ended[-1] - ended[min(filling, len(ended)) - 1]
            if counted >= 2 and spent >= seconds * (1 if counted >= 2 * filling else PATIENCE):
                break
            waiting.append(_submit(evaluator, name, 100 + len(ended)))
        rate = 60 * (counted - wrong) / (ended[-1] - ended[filling - 1])
    finally:
        evaluator.close(wait=False)
    found = {"a_minute": max(rate, 0.0), "candidates": len(ended), "failed": wrong, "workers": evaluator.workers}
    return found | ({"device_s": times} if times else {})


def _beside(one: dict[str, Any]) -> float | None:
    """The device time beside other candidates over that of one alone."""
    if not one.get("device_s") or not one.get("alone_device_s"):
        return None
    return statistics.median(one["device_s"]) / statistics.median(one["alone_device_s"])


def _submit(evaluator: Evaluator, name: str, number: int) -> Any:
    """Each candidate is a text of its own, so that no cache of compiled code helps."""
    comment = "//" if name == "cuda" else "#"
    source = f"{SOURCES[name]}\n{comment} candidate {number}\n"
    return evaluator.submit(TASK, name, source, templates=[SHAPE], dtypes=["float32"])


def _fresh(name: str, seconds: float, most: int) -> dict[str, Any]:
    """Seconds of one evaluation in a fresh interpreter, from its start to its end: the median of a few."""
    until, took = time.monotonic() + seconds, [_process(name)]
    while len(took) < most and time.monotonic() < until:
        took.append(_process(name))
    return {"fresh_s": statistics.median(took), "fresh": len(took)}


def _process(name: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--once", name], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _once(name: str) -> None:
    with Evaluator(backends=[name], workers=1, cascade=CASCADE, options=Options(timeout_s=60)) as evaluator:
        outcome = _submit(evaluator, name, os.getpid()).result()
    if not outcome.passed:
        print(f"{name}: {outcome.status}: {outcome.message}", file=sys.stderr)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.0f}"


if __name__ == "__main__":
    main()
