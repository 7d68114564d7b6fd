"""The red team on this machine: every candidate of `tests/redteam` handed in, and what became of it.

    python benchmarks/redteam.py --out benchmarks/results/NAME     # try them all
    python benchmarks/redteam.py --check --from auto               # check the newest committed results

The goals: no cheat passes (or, where its file says so, its time is the honest one), every honest candidate passes.

Candidates are judged in several processes, each with a session of its own for one backend: next to a GPU, the judge's
own arithmetic is most of the work, and threads of one interpreter do it one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from committed import read

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "redteam"))


def main() -> None:
    """Try or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for redteam.json")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of trying: a folder, or 'auto'")
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--gpu", action="store_true", help="only backends that opened a GPU")
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="candidates at once, at the least one for each backend",
    )
    arguments = parser.parse_args()
    if arguments.source:
        results = read(arguments.source, "redteam.json")
    else:
        results = attempt(arguments.only, arguments.gpu, arguments.jobs, arguments.out)
    missed = show(results)
    if arguments.check and missed:
        sys.exit(f"{len(missed)} missed: " + "; ".join(missed))


def attempt(only: str, gpu: bool, jobs: int, out: Path | None) -> dict[str, Any]:
    """Hand every candidate in; written after each, so that an interruption loses those at work."""
    from corpus import corpus

    from kparity import DeviceInfo, Session

    started = time.perf_counter()
    with Session() as session:
        devices = {name: one for name, one in session.devices().items() if isinstance(one, DeviceInfo)}
    if gpu:
        devices = {name: one for name, one in devices.items() if one.kind == "gpu"}
    todo, rows = [], []
    for kind in ("cheats", "honest"):
        for one in (one for one in corpus(kind) if only in one.name):
            row = {"kind": kind, "name": one.path.stem, "backend": one.backend, "rows": one.rows}
            missing = one.missing(devices.get(one.backend))
            if missing:
                rows.append({**row, "status": "", "wrong": "", "skipped": missing})
            else:
                todo.append((row, one))
    results: dict[str, Any] = {
        "devices": {name: device.label for name, device in devices.items()},
        "planned": len(todo) + len(rows),
        "candidates": rows,
        "seconds": 0.0,
    }
    shares = _shares(Counter(one.backend for _, one in todo), jobs)
    spawn = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(count, spawn, _begin) for name, count in shares.items()}
    try:
        for done in as_completed([pools[one.backend].submit(_try, row, one) for row, one in todo]):
            rows.append(done.result())
            results["seconds"] = time.perf_counter() - started
            if out is not None:
                _write(results, out)
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)
    rows.sort(key=lambda row: (row["kind"], row["name"], row["backend"]))
    if out is not None:
        _write(results, out)
    return results


def _shares(counts: Counter[str], jobs: int) -> dict[str, int]:
    """How many processes work on each backend: at least one, and else in proportion to its candidates."""
    shares = dict.fromkeys(counts, 1)
    for _ in range(jobs - len(counts)):
        longest = max(shares, key=lambda name: counts[name] / shares[name])
        shares[longest] += 1
    return shares


_session: Any = None


def _begin() -> None:
    """Make the session of a process that tries candidates."""
    global _session
    from kparity import Session
    from kparity.sandbox import linux

    with contextlib.suppress(OSError):
        linux.set_parent_death_signal(signal.SIGKILL)
    _session = Session()
    Finalize(None, _session.close, exitpriority=10)


def _try(row: dict[str, Any], candidate: Any) -> dict[str, Any]:
    from corpus import try_one

    began = time.perf_counter()
    status, wrong = try_one(_session, candidate)
    print(f"{candidate.name:44} {status:14} {wrong[:200]}", file=sys.stderr, flush=True)
    return {**row, "status": status, "wrong": wrong, "skipped": "", "seconds": time.perf_counter() - began}


def _write(results: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    draft = out / "redteam.json.part"
    draft.write_text(json.dumps(results, indent=1) + "\n")
    draft.replace(out / "redteam.json")


def show(results: dict[str, Any]) -> list[str]:
    """Print the table by class of attack; returns what went wrong."""
    for backend, device in results["devices"].items():
        print(f"{backend:10} {device}")
    tried: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in results["candidates"]:
        for row in one["rows"]:
            tried[row].append(one)
    print(f"\n{'class':8}{'tried':>7}{'right':>7}{'skipped':>9}  backends")
    for row in sorted(tried):
        ran = [one for one in tried[row] if not one["skipped"]]
        right = sum(not one["wrong"] for one in ran)
        backends = " ".join(sorted({one["backend"] for one in ran}))
        print(f"{row:8}{len(ran):7}{right:7}{len(tried[row]) - len(ran):9}  {backends}")
    ran = [one for one in results["candidates"] if not one["skipped"]]
    wrong = [f"{one['name']} on {one['backend']}: {one['wrong']}" for one in ran if one["wrong"]]
    for kind in ("cheats", "honest"):
        of_kind = [one for one in ran if one["kind"] == kind]
        print(f"{kind}: {sum(not one['wrong'] for one in of_kind)} of {len(of_kind)} judged rightly")
    if len(results["candidates"]) < results.get("planned", 0):
        wrong.append(f"{results['planned'] - len(results['candidates'])} candidates were not tried: interrupted")
    print(f"{results['seconds']:.0f} s")
    for line in wrong:
        print(f"MISSED {line}")
    return wrong


if __name__ == "__main__":
    main()
