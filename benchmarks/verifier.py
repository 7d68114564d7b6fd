"""Does the verdict tell right from wrong? Mutants killed and honest realizations accepted, beside fixed tolerances.

    python benchmarks/verifier.py --out benchmarks/results/NAME/verifier.json     # minutes, on two cores
    python benchmarks/verifier.py --real --out ...                                # and this machine's kernels
    python benchmarks/verifier.py --from auto --check                             # the newest committed results

Every task in every dtype: the mutants and honest realizations of `kparity check-tasks`, on the edge and typical cases
of up to --largest elements and on the hunting cases of --seed. Each judge sees the same outputs, rounded to the
declared dtype; the fixed tolerances compare them with the oracle, rounded likewise. A mutant counts as killed where any
draw refuses it, a realization as accepted where every draw accepts it.

--real adds what the backends of this machine have: every registered implementation, and split-K and TF32 products
written as source text, all honest; and kernels that drop their tail or round what they must not, which are wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from committed import read

from kparity import Session, cpu_name
from kparity.admission import OURS, examine
from kparity.dtypes import is_float
from kparity.oracle import round_to

GOAL = "kparity"

TORCH_DEFAULTS = {
    "float64": (1e-7, 1e-7),
    "float32": (1.3e-6, 1e-5),
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
}
"""rtol and atol of `torch.testing.assert_close`, from its documentation; (0, 0) for integers."""

Judge = Callable[..., str]


def main() -> None:
    """Measure or read, show, and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="names or globs; all by default")
    parser.add_argument("--out", type=Path, help="file to write")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a file, or 'auto'")
    parser.add_argument("--check", action="store_true", help="exit 1 unless kparity kills all and accepts all")
    parser.add_argument("--real", action="store_true", help="add the kernels of this machine's backends")
    parser.add_argument("--only-real", action="store_true", help="nothing but those")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--largest", type=int, default=1 << 20, help="elements of the largest declared case")
    parser.add_argument("--dtype", action="append", help="may be repeated; all by default")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds for the kernels of --real")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    results = read(arguments.source, "verifier.json") if arguments.source else measure(arguments)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    wrong = show(results)
    if arguments.check and wrong:
        sys.exit(1)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, on this machine."""
    started = time.perf_counter()
    catalogue = Session().catalogue
    work = [
        (spec.name, dtype, arguments.seed, arguments.largest)
        for spec in catalogue.select_tasks(arguments.tasks)
        for dtype in dict.fromkeys(one for case in spec.cases() for one in case.dtypes.values())
        if not arguments.dtype or dtype in arguments.dtype
    ]
    rows: list[dict[str, Any]] = []
    if not arguments.only_real:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(arguments.jobs, context) as pool:
            for result in pool.map(_examine, work):
                rows += result
                print(".", end="", file=sys.stderr, flush=True)
    results = {
        "host": cpu_name(),
        "seed": arguments.seed,
        "largest": arguments.largest,
        "seconds": 0.0,
        "rows": rows,
        "real": [],
    }
    if arguments.real or arguments.only_real:
        from verifier_real import measure_real

        results["real"] = measure_real(work, judges(), arguments.budget)
    results["seconds"] = round(time.perf_counter() - started, 1)
    print(file=sys.stderr)
    return results


def _examine(work: tuple[str, str, int, int]) -> list[dict[str, Any]]:
    task, dtype, seed, largest = work
    spec = Session().catalogue.task(task)
    rows = []
    for one in examine(spec, seed=seed, dtypes=[dtype], largest=largest, judges=judges()):
        fates = {kind: [msgspec.to_builtins(fate) for fate in getattr(one, kind)] for kind in ("mutants", "honest")}
        rows.append(
            {
                "task": task,
                "dtype": dtype,
                "judge": one.judge,
                "draws": one.draws,
                "seconds": one.seconds,
                "killed": one.applicable - len(one.survivors),
                "mutants": one.applicable,
                "same": sum(fate["outcome"] == "same" for fate in fates["mutants"]),
                "inapplicable": sum(fate["outcome"] == "none" for fate in fates["mutants"]),
                "accepted": one.tried - len(one.refused),
                "honest": one.tried,
                "survivors": [fate["name"] for fate in fates["mutants"] if fate["outcome"] == "accepted"],
                "refused": [fate["name"] for fate in fates["honest"] if fate["outcome"] == "refused"],
                "left_out": {
                    fate["name"]: fate.get("why", "")
                    for fate in fates["mutants"]
                    if one.judge == GOAL and fate["outcome"] in ("same", "none")
                },
            }
        )
    return rows


def judges() -> dict[str, Judge]:
    """kparity's verdict and the fixed tolerances that people use."""
    fixed = {f"allclose {tolerance:g}": _allclose(tolerance) for tolerance in (1e-2, 1e-3, 1e-4)}
    return {**OURS, **fixed, "torch.testing defaults": _assert_close, "NMSE 5e-4": _nmse}


def _pairs(problem: Any, outputs: Any) -> Iterable[tuple[np.ndarray, np.ndarray, str]]:
    wanted = round_to(problem.oracle, problem.case)
    for output, truth, info in zip(outputs, wanted, problem.case.outputs, strict=True):
        yield output.astype(np.float64), truth.astype(np.float64), info.dtype


def _allclose(tolerance: float) -> Judge:
    def look(problem: Any, outputs: Any) -> str:
        close = all(
            np.allclose(output, truth, tolerance, tolerance, equal_nan=True)
            for output, truth, _ in _pairs(problem, outputs)
        )
        return "" if close else "not close"

    return look


def _assert_close(problem: Any, outputs: Any) -> str:
    for output, truth, dtype in _pairs(problem, outputs):
        rtol, atol = TORCH_DEFAULTS.get(dtype, (0.0, 0.0))
        if not np.allclose(output, truth, rtol, atol):
            return "not close"
    return ""


def _nmse(problem: Any, outputs: Any) -> str:
    for output, truth, dtype in _pairs(problem, outputs):
        if not is_float(dtype):
            if not np.array_equal(output, truth):
                return "not equal"
            continue
        with np.errstate(all="ignore"):
            scale = float(np.sum(truth * truth)) or 1.0
            error = float(np.sum((output - truth) ** 2)) / scale
        if not error <= 5e-4:
            return f"normalised mean squared error {error:.3g}"
    return ""


def show(results: dict[str, Any]) -> list[str]:
    """Print the table; returns what kparity got wrong."""
    print(f"{results['host']}, seed {results['seed']}, {results['seconds']:.0f} s")
    for title, rows in (("NumPy realizations", results["rows"]), ("real kernels", results["real"])):
        if not rows:
            continue
        tasks = len({(row["task"], row["dtype"]) for row in rows})
        print(f"\n{title}, {tasks} pairs of task and dtype\n")
        print("| judge | mutants killed | honest realizations accepted |")
        print("| --- | --- | --- |")
        for name in dict.fromkeys(row["judge"] for row in rows):
            mine = [row for row in rows if row["judge"] == name]
            counts = [sum(row[key] for row in mine) for key in ("killed", "mutants", "accepted", "honest")]
            shares = [f"{a:,} of {b:,} ({a / b:.1%})" if b else "none" for a, b in (counts[:2], counts[2:])]
            print(f"| {name} | {shares[0]} | {shares[1]} |")
    ours = [row for row in (*results["rows"], *results["real"]) if row["judge"] == GOAL]
    left_out = [sum(row.get(key, 0) for row in ours) for key in ("same", "inapplicable")]
    print(f"\nnot counted: {left_out[0]} that are the same function, {left_out[1]} without meaning for their task")
    wrong = [f"{row['task']} {row['dtype']}: {name} survives" for row in ours for name in row["survivors"]]
    wrong += [f"{row['task']} {row['dtype']}: {name} is honest, yet refused" for row in ours for name in row["refused"]]
    print("\n".join(wrong) or "every mutant killed, every honest realization accepted")
    return wrong


if __name__ == "__main__":
    main()
